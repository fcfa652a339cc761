use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bridge_signaling::shutdown::ShutdownRequest;
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition, healthcheck, ns};
use xmpp_parsers::minidom::Element;

use crate::disco::Disco;
use crate::iq::IqHeader;
use crate::status::IqCounters;
use crate::{RequestHandler, xml};

/// Which request is answered how. JVB's `XmppConnection.handleIq` and what Smack does below it.
pub(crate) struct Dispatcher {
    /// The rooms of the connection, in lower case.
    rooms: HashSet<String>,
    handler: Arc<dyn RequestHandler>,
    disco: Arc<Disco>,
    counters: Arc<IqCounters>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub(crate) enum Dispatched {
    /// It is answered with this stanza.
    Answer(Element),
    /// It is a colibri2 request for the handler, not parsed yet.
    Conference { header: IqHeader, payload: Element },
}

/// What an answer may depend on beside the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// How long nothing was answered on this connection.
    pub(crate) idle: Duration,
    /// The time of day.
    pub(crate) now: SystemTime,
}

impl Dispatcher {
    pub(crate) fn new<'a>(
        rooms: impl IntoIterator<Item = &'a String>,
        handler: Arc<dyn RequestHandler>,
        disco: Arc<Disco>,
        counters: Arc<IqCounters>,
    ) -> Self {
        let rooms = rooms.into_iter().map(|room| xml::bare_lower_case(room)).collect();
        Self { rooms, handler, disco, counters }
    }

    /// Answers a request, or says that it is for the handler.
    pub(crate) fn dispatch(
        &self,
        header: IqHeader,
        is_get: bool,
        payload: Element,
        clock: Clock,
    ) -> Dispatched {
        let Some(restricted) = Restricted::from_element(&payload) else {
            return Dispatched::Answer(self.answer_anyone(&header, is_get, &payload, clock));
        };
        if !self.is_occupant(header.from.as_deref()) {
            self.counters.forbidden.add_one();
            return Dispatched::Answer(header.refusal(StanzaErrorCondition::Forbidden));
        }
        Dispatched::Answer(match restricted {
            Restricted::Conference => return Dispatched::Conference { header, payload },
            Restricted::Health => match self.handler.health() {
                Ok(()) => header.result(None),
                Err(message) => header.error(
                    &ErrorAnswer::new(StanzaErrorCondition::InternalServerError).with_text(message),
                ),
            },
            Restricted::Version => header.result(Some(self.version())),
            Restricted::Shutdown(request) => header.error(&request.refusal()),
        })
    }

    /// Whether the sender is an occupant of one of the rooms, so that the room let it in. Which
    /// occupant does not matter.
    ///
    /// Differs from JVB: a sender without local part is refused instead of not answered.
    fn is_occupant(&self, from: Option<&str>) -> bool {
        from.is_some_and(|from| self.rooms.contains(&xml::bare_lower_case(from)))
    }

    fn version(&self) -> Element {
        let version = self.handler.version();
        let query = xml::element("query", xml::VERSION, &[]);
        let query = xml::with_child(query, xml::text_element("name", xml::VERSION, &version.name));
        let text = xml::text_element("version", xml::VERSION, &version.version);
        let query = xml::with_child(query, text);
        xml::with_child(query, xml::text_element("os", xml::VERSION, &version.os))
    }

    /// Requests that any sender may send.
    fn answer_anyone(
        &self,
        header: &IqHeader,
        is_get: bool,
        payload: &Element,
        clock: Clock,
    ) -> Element {
        if is_get && payload.is("ping", xml::PING) {
            header.result(None)
        } else if is_get && payload.is("query", xml::DISCO_INFO) {
            found(header, self.disco.info(payload))
        } else if is_get && payload.is("query", xml::DISCO_ITEMS) {
            found(header, self.disco.items(payload))
        } else if is_get && payload.is("query", xml::LAST) {
            let seconds = clock.idle.as_secs().to_string();
            header.result(Some(xml::element("query", xml::LAST, &[("seconds", &seconds)])))
        } else if is_get && payload.is("time", xml::TIME) {
            header.result(Some(time(clock.now)))
        } else {
            // Differs from RFC 6120 section 8.4, which has service-unavailable: JVB's answer.
            self.counters.unsupported.add_one();
            header.refusal(StanzaErrorCondition::FeatureNotImplemented)
        }
    }
}

/// Requests that only occupants of the rooms may send. Get and set make no difference.
enum Restricted {
    Conference,
    Health,
    Version,
    Shutdown(ShutdownRequest),
}

impl Restricted {
    fn from_element(payload: &Element) -> Option<Self> {
        if payload.is("conference-modify", ns::COLIBRI2) {
            Some(Self::Conference)
        } else if healthcheck::is_healthcheck(payload) {
            Some(Self::Health)
        } else if payload.is("query", xml::VERSION) {
            Some(Self::Version)
        } else {
            ShutdownRequest::from_element(payload).map(Self::Shutdown)
        }
    }
}

fn found(header: &IqHeader, answer: Option<Element>) -> Element {
    match answer {
        Some(answer) => header.result(Some(answer)),
        None => header.refusal(StanzaErrorCondition::ItemNotFound),
    }
}

/// Entity time (XEP-0202), always in UTC.
fn time(now: SystemTime) -> Element {
    let time = xml::element("time", xml::TIME, &[]);
    let time = xml::with_child(time, xml::text_element("tzo", xml::TIME, "+00:00"));
    xml::with_child(time, xml::text_element("utc", xml::TIME, &utc(now)))
}

/// The date format of XEP-0082. A clock before 1970 reads as 1970.
fn utc(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) =
        (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970 to year, month and day: years counted from March, so that the leap day is the
/// last of its year.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use bridge_signaling::colibri2::ConferenceModify;

    use super::*;
    use crate::{HealthResult, ReplySender, Version};

    struct Handler(HealthResult);

    impl RequestHandler for Handler {
        fn conference_modify(&self, _: ConferenceModify, _: ReplySender) {}

        fn health(&self) -> HealthResult {
            self.0.clone()
        }

        fn version(&self) -> Version {
            Version { name: "JVB".into(), version: "2.3.1".into(), os: "Linux".into() }
        }
    }

    const CLOCK: Clock = Clock { idle: Duration::from_secs(7), now: SystemTime::UNIX_EPOCH };

    fn dispatch(health: HealthResult, from: &str, is_get: bool, payload: &str) -> Dispatched {
        let dispatcher = Dispatcher::new(
            &["Brewery@Muc.example".to_owned()],
            Arc::new(Handler(health)),
            Arc::new(Disco::new()),
            Arc::default(),
        );
        let header = IqHeader { id: "1".into(), from: Some(from.to_owned()) };
        dispatcher.dispatch(header, is_get, payload.parse().unwrap(), CLOCK)
    }

    /// The condition of the error answer, or the text of the result's payload.
    fn answer(from: &str, is_get: bool, payload: &str) -> String {
        let Dispatched::Answer(answer) = dispatch(Ok(()), from, is_get, payload) else {
            return "conference".to_owned();
        };
        match xml::error_condition(&answer) {
            Some(condition) => condition.to_owned(),
            None => "result".to_owned(),
        }
    }

    const OCCUPANT: &str = "brewery@muc.example/Any Body";
    const MODIFY: &str = "<conference-modify xmlns='jitsi:colibri2'/>";
    const HEALTH: &str = "<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>";
    const VERSION: &str = "<query xmlns='jabber:iq:version'/>";
    const GRACEFUL: &str = "<graceful-shutdown xmlns='http://jitsi.org/protocol/colibri'/>";
    const FORCE: &str = "<force-shutdown xmlns='http://jitsi.org/protocol/colibri'/>";

    #[test]
    fn occupants_are_answered_whatever_the_type() {
        for (payload, expected) in [
            (MODIFY, "conference"),
            (HEALTH, "result"),
            (VERSION, "result"),
            (GRACEFUL, "service-unavailable"),
            (FORCE, "service-unavailable"),
        ] {
            for is_get in [true, false] {
                assert_eq!(answer(OCCUPANT, is_get, payload), expected, "{payload}");
                assert_eq!(answer("BREWERY@muc.EXAMPLE/x", is_get, payload), expected);
            }
        }
    }

    #[test]
    fn others_are_forbidden() {
        for from in ["other@muc.example/focus", "muc.example", "brewery@muc.example.org/focus", ""]
        {
            for payload in [MODIFY, HEALTH, VERSION, GRACEFUL, FORCE] {
                assert_eq!(answer(from, true, payload), "forbidden", "{from} {payload}");
            }
        }
    }

    #[test]
    fn anyone_may_ask_what_is_general() {
        for (payload, expected) in [
            ("<ping xmlns='urn:xmpp:ping'/>", "result"),
            ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "result"),
            ("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", "item-not-found"),
            ("<query xmlns='http://jabber.org/protocol/disco#items'/>", "result"),
            ("<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>", "item-not-found"),
            ("<query xmlns='jabber:iq:last'/>", "result"),
            ("<time xmlns='urn:xmpp:time'/>", "result"),
            ("<conference xmlns='http://jitsi.org/protocol/colibri'/>", "feature-not-implemented"),
            ("<stats xmlns='http://jitsi.org/protocol/colibri'/>", "feature-not-implemented"),
            ("<healthcheck xmlns='other'/>", "feature-not-implemented"),
        ] {
            assert_eq!(answer("example", true, payload), expected, "{payload}");
        }
        assert_eq!(answer("x", false, "<ping xmlns='urn:xmpp:ping'/>"), "feature-not-implemented");
    }

    #[test]
    fn an_unhealthy_bridge_says_why() {
        let result = dispatch(Err("no address".into()), OCCUPANT, true, HEALTH);
        let Dispatched::Answer(answer) = result else { panic!("{result:?}") };
        assert_eq!(xml::error_condition(&answer), Some("internal-server-error"));
        let error = answer.get_child("error", xml::CLIENT).unwrap();
        assert_eq!(error.get_child("text", xml::STANZA_ERRORS).unwrap().text(), "no address");
    }

    #[test]
    fn version_has_three_children() {
        let result = dispatch(Ok(()), OCCUPANT, true, VERSION);
        let Dispatched::Answer(answer) = result else { panic!("{result:?}") };
        let query = answer.get_child("query", xml::VERSION).unwrap();
        let children: Vec<_> = query.children().map(|c| (c.name(), c.text())).collect();
        assert_eq!(
            children,
            [
                ("name", "JVB".to_owned()),
                ("version", "2.3.1".to_owned()),
                ("os", "Linux".to_owned())
            ]
        );
    }

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_787_220_671, "2026-08-20T10:11:11Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
