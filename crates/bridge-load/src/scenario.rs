use crate::arguments::Arguments;
use crate::media_stream::StreamPlan;
use crate::stream_id::{StreamId, StreamKind};

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// One sender of video and many receivers.
    OneToMany,
    /// Everybody is connected and nobody sends anything.
    Idle,
    /// Everybody sends sound.
    Audio,
    /// Everybody sends sound and video.
    Meeting,
    /// Receivers join faster and faster.
    JoinStorm,
    /// One sender of more and more packets.
    Ramp,
    /// A meeting with churn.
    Soak,
    /// Twice what the bridge can do, and back.
    Overload,
}

/// What one endpoint does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndpointPlan {
    /// Its number, from 0, in the order of joining.
    pub(crate) number: u32,
    /// What it sends.
    pub(crate) streams: Vec<StreamPlan>,
    /// Its last-n, if the focus says one.
    pub(crate) last_n: Option<i32>,
    /// Whether every packet for it is opened, compared and timed.
    pub(crate) sampled: bool,
    /// Its place among the receivers.
    pub(crate) place: Place,
}

/// Who speaks: the first so many of each round of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speakers {
    audible: u32,
    of: u32,
}

impl Speakers {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self { audible: arguments.speakers, of: count(arguments) }
    }

    pub(crate) const fn include(self, endpoint: u32) -> bool {
        endpoint % self.of < self.audible
    }
}

impl EndpointPlan {
    /// An endpoint that sends nothing and is never measured.
    pub(crate) const fn idle() -> Self {
        Self { number: 0, streams: Vec::new(), last_n: None, sampled: false, place: Place::Between }
    }
}

/// A receiver's place in the order of joining, which is the order in which bridges serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    Between,
    Last,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 8] = [
        Self::OneToMany,
        Self::Idle,
        Self::Audio,
        Self::Meeting,
        Self::JoinStorm,
        Self::Ramp,
        Self::Soak,
        Self::Overload,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneToMany => "one-to-many",
            Self::Idle => "idle",
            Self::Audio => "audio",
            Self::Meeting => "meeting",
            Self::JoinStorm => "join-storm",
            Self::Ramp => "ramp",
            Self::Soak => "soak",
            Self::Overload => "overload",
        }
    }

    /// From its name on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}

/// The endpoints that are there when measuring begins (all of them, except of a storm).
pub(crate) fn endpoints(arguments: &Arguments) -> Vec<EndpointPlan> {
    let count = count(arguments);
    (0..count).map(|number| endpoint(arguments, number, count)).collect()
}

/// How many they are.
pub(crate) fn count(arguments: &Arguments) -> u32 {
    match arguments.scenario {
        scenario if has_one_sender(scenario) => arguments.receivers + 1,
        Scenario::Idle => arguments.receivers,
        _ => arguments.participants,
    }
}

/// The endpoint with this number of `count`; a later one takes the place of one that left.
pub(crate) fn endpoint(arguments: &Arguments, number: u32, count: u32) -> EndpointPlan {
    let encodings = if arguments.simulcast { 3 } else { 1 };
    let video = (0..encodings).map(StreamKind::Video);
    let first = u32::from(has_one_sender(arguments.scenario));
    let is_audible = Speakers::new(arguments).include(number);
    let streams: Vec<StreamKind> = match arguments.scenario {
        Scenario::Overload if number == 0 => video.chain([StreamKind::Audio]).collect(),
        scenario if has_one_sender(scenario) && number == 0 => video.collect(),
        scenario if has_one_sender(scenario) => Vec::new(),
        Scenario::Idle => Vec::new(),
        Scenario::Audio => vec![StreamKind::Audio],
        _ => video.chain([StreamKind::Audio]).collect(),
    };
    let plan = |kind| StreamPlan { id: StreamId { endpoint: number, kind }, is_audible };
    EndpointPlan {
        number,
        streams: streams.into_iter().map(plan).collect(),
        last_n: arguments.last_n.filter(|_| arguments.scenario != Scenario::OneToMany),
        sampled: is_sampled(number, count, arguments.sample),
        place: match number {
            _ if number == first => Place::First,
            _ if number + 1 == count => Place::Last,
            _ => Place::Between,
        },
    }
}

/// Whether endpoint 0 sends and all others only receive.
pub(crate) const fn has_one_sender(scenario: Scenario) -> bool {
    matches!(
        scenario,
        Scenario::OneToMany | Scenario::Ramp | Scenario::JoinStorm | Scenario::Overload
    )
}

/// The first and the last receiver, and others evenly between them. Endpoint 0 is the sender where
/// there is only one.
fn is_sampled(number: u32, count: u32, sample: u32) -> bool {
    let step = count.div_ceil(sample.max(2)).max(1);
    number <= 1 || number + 1 >= count || number.is_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(scenario: Scenario) -> Arguments {
        let bridge = "http://127.0.0.1:1".parse().unwrap();
        Arguments { receivers: 100, participants: 5, ..Arguments::new(bridge, scenario) }
    }

    #[test]
    fn who_sends_what() {
        for (scenario, endpoints_wanted, senders, streams) in [
            (Scenario::OneToMany, 101, 1, 1),
            (Scenario::Ramp, 101, 1, 1),
            (Scenario::Overload, 101, 1, 2),
            (Scenario::Idle, 100, 0, 0),
            (Scenario::Audio, 5, 5, 5),
            (Scenario::Meeting, 5, 5, 10),
        ] {
            let plans = endpoints(&arguments(scenario));
            assert_eq!(plans.len(), endpoints_wanted);
            assert_eq!(plans.iter().filter(|plan| !plan.streams.is_empty()).count(), senders);
            assert_eq!(plans.iter().map(|plan| plan.streams.len()).sum::<usize>(), streams);
        }
        let simulcast = Arguments { simulcast: true, ..arguments(Scenario::Meeting) };
        assert_eq!(endpoint(&simulcast, 0, 5).streams.len(), 4);
    }

    #[test]
    fn the_first_and_the_last_receiver_are_sampled() {
        let plans = endpoints(&arguments(Scenario::OneToMany));
        assert!(plans[1].sampled && plans[100].sampled);
        assert_eq!((plans[1].place, plans[100].place), (Place::First, Place::Last));
        assert_eq!(endpoint(&arguments(Scenario::Audio), 0, 5).place, Place::First);
        let sampled = plans.iter().filter(|plan| plan.sampled).count();
        assert!((10..=13).contains(&sampled), "{sampled}");
    }

    #[test]
    fn names_lead_back() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::from_name(scenario.name()), Some(scenario));
        }
    }
}
