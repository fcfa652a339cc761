use tokio::time::Instant;
use xmpp_parsers::minidom::Element;

use crate::room::{Change, Room, Step};

/// All rooms of one connection.
///
/// They are joined at the same time. Differs from JVB, which joins them one after the other and
/// stops at the first that fails.
#[derive(Debug)]
pub(crate) struct Rooms {
    rooms: Vec<Room>,
    caps: Element,
}

/// Something that changed in a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoomChange {
    /// The room.
    pub(crate) jid: String,
    /// What changed.
    pub(crate) change: Change,
}

/// What follows from something that happened: stanzas to send, then changes to act upon.
#[derive(Debug, Default)]
pub(crate) struct RoomSteps {
    pub(crate) send: Vec<Element>,
    pub(crate) changes: Vec<RoomChange>,
}

impl Rooms {
    /// Rooms that are not joined.
    pub(crate) fn new(jids: &[String], nickname: &str, caps: Element) -> Self {
        let mut rooms: Vec<Room> = Vec::with_capacity(jids.len());
        for jid in jids {
            // The same room twice would never hear of its second join.
            if !rooms.iter().any(|room| room.is_source(jid)) {
                rooms.push(Room::new(jid, nickname));
            }
        }
        Self { rooms, caps }
    }

    /// Joins all, on a new stream.
    pub(crate) fn join(&mut self, now: Instant) -> Vec<Element> {
        let caps = &self.caps;
        self.rooms.iter_mut().map(|room| room.join(now, caps.clone())).collect()
    }

    /// Forgets that any was joined.
    pub(crate) fn reset(&mut self) {
        self.rooms.iter_mut().for_each(Room::reset);
    }

    /// Looks at a presence, whoever it is from.
    pub(crate) fn handle_presence(
        &mut self,
        now: Instant,
        presence: &Element,
        random: u64,
    ) -> RoomSteps {
        self.step_source(presence, |room| room.handle_presence(now, presence, random))
    }

    /// Looks at the answer to a request of this side, whoever it is from.
    pub(crate) fn handle_response(&mut self, now: Instant, iq: &Element, random: u64) -> RoomSteps {
        self.step_source(iq, |room| room.handle_response(now, iq, random))
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, random: u64) -> RoomSteps {
        let mut steps = RoomSteps::default();
        for room in &mut self.rooms {
            let step = room.handle_timeout(now, self.caps.clone(), random);
            steps.add(room, step);
        }
        steps
    }

    /// The presences that leave the rooms.
    pub(crate) fn leave(&mut self) -> Vec<Element> {
        self.rooms.iter_mut().filter_map(Room::leave).collect()
    }

    /// The presence with statistics for each room that is joined.
    pub(crate) fn publish(&self, statistics: &Element) -> Vec<Element> {
        self.rooms
            .iter()
            .filter(|room| room.is_joined())
            .map(|room| {
                let mut presence = room.presence();
                presence.append_child(self.caps.clone());
                presence.append_child(statistics.clone());
                presence
            })
            .collect()
    }

    /// Rooms that are joined.
    pub(crate) fn joined(&self) -> usize {
        self.rooms.iter().filter(|room| room.is_joined()).count()
    }

    /// When [`Rooms::handle_timeout`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.rooms.iter().filter_map(Room::deadline).min()
    }

    fn step_source(&mut self, stanza: &Element, act: impl FnOnce(&mut Room) -> Step) -> RoomSteps {
        let mut steps = RoomSteps::default();
        let source = stanza.attr("from");
        if let Some(room) =
            source.and_then(|from| self.rooms.iter_mut().find(|room| room.is_source(from)))
        {
            let step = act(room);
            steps.add(room, step);
        }
        steps
    }
}

impl RoomSteps {
    fn add(&mut self, room: &Room, step: Step) {
        self.send.extend(step.send);
        self.changes
            .extend(step.change.map(|change| RoomChange { jid: room.jid().to_owned(), change }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml;

    fn presence(from: &str) -> Element {
        let user = xml::element("x", xml::MUC_USER, &[]);
        let user = xml::with_child(user, xml::element("status", xml::MUC_USER, &[("code", "110")]));
        xml::with_child(xml::element("presence", xml::CLIENT, &[("from", from)]), user)
    }

    fn rooms(jids: &[&str]) -> Rooms {
        let jids: Vec<_> = jids.iter().map(|&jid| jid.to_owned()).collect();
        Rooms::new(&jids, "jvb", xml::element("c", "http://jabber.org/protocol/caps", &[]))
    }

    #[tokio::test(start_paused = true)]
    async fn each_room_has_its_own_fate() {
        let now = Instant::now();
        let mut rooms = rooms(&["a@m", "b@m"]);
        assert_eq!(rooms.join(now).len(), 2);
        let steps = rooms.handle_presence(now, &presence("B@M/jvb"), 0);
        assert_eq!(steps.changes, [RoomChange { jid: "b@m".to_owned(), change: Change::Joined }]);
        let statistics = xml::element("stats", bridge_signaling::ns::COLIBRI, &[]);
        let published = rooms.publish(&statistics);
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].attr("to"), Some("b@m/jvb"));
        assert_eq!(published[0].children().count(), 2);
        let deadline = rooms.deadline().unwrap();
        let steps = rooms.handle_timeout(deadline, 0);
        assert_eq!(steps.changes[0].jid, "a@m");
        assert_eq!(rooms.joined(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn presences_of_others_and_of_no_room_are_ignored() {
        let now = Instant::now();
        let mut rooms = rooms(&["a@m"]);
        rooms.join(now);
        for from in ["c@m/jvb", "m", ""] {
            assert!(rooms.handle_presence(now, &presence(from), 0).changes.is_empty(), "{from}");
        }
        let anonymous = xml::element("presence", xml::CLIENT, &[]);
        assert!(rooms.handle_presence(now, &anonymous, 0).changes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_named_twice_is_joined_once() {
        assert_eq!(rooms(&["a@m", "A@m"]).join(Instant::now()).len(), 1);
    }
}
