use std::time::Duration;

use tokio::time::Instant;
use xmpp_parsers::minidom::Element;

use crate::backoff::Backoff;
use crate::xml;

/// One room and this client's place in it (XEP-0045). jicoco's `MucClient.MucWrapper`.
///
/// Only looks at what comes in and says what is to be sent; the time is handed in.
#[derive(Debug)]
pub(crate) struct Room {
    jid: String,
    /// What the room's JID is compared with.
    key: String,
    configured_nickname: String,
    /// The service may have chosen another one.
    nickname: String,
    state: State,
    backoff: Backoff,
    /// Why the room could not be joined, if that was said already.
    reported: Option<String>,
}

/// What follows from something that happened.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// To be sent, in order.
    pub(crate) send: Vec<Element>,
    /// What changed.
    pub(crate) change: Option<Change>,
}

/// What changed in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The room was joined: the statistics are to be published at once.
    Joined,
    /// The room could not be joined, or was left against this side's will. It is tried again, and
    /// only another reason is told again.
    Out(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Out,
    Joining { deadline: Instant },
    FetchingForm { deadline: Instant },
    SubmittingForm { deadline: Instant },
    Joined,
    Waiting { until: Instant },
}

impl Room {
    /// A room that is not joined.
    pub(crate) fn new(jid: &str, nickname: &str) -> Self {
        Self {
            jid: jid.to_owned(),
            key: xml::bare_lower_case(jid),
            configured_nickname: nickname.to_owned(),
            nickname: nickname.to_owned(),
            state: State::Out,
            backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
            reported: None,
        }
    }

    /// Asks to join. The presence has no statistics yet.
    pub(crate) fn join(&mut self, now: Instant, caps: Element) -> Element {
        self.nickname.clone_from(&self.configured_nickname);
        self.state = State::Joining { deadline: now + REPLY_TIMEOUT };
        let presence = xml::with_child(self.presence(), xml::element("x", xml::MUC, &[]));
        xml::with_child(presence, caps)
    }

    /// Forgets the room: the stream on which it was joined is gone.
    pub(crate) const fn reset(&mut self) {
        self.state = State::Out;
    }

    /// Looks at a presence from the room.
    pub(crate) fn handle_presence(&mut self, now: Instant, stanza: &Element, random: u64) -> Step {
        let kind = stanza.attr("type");
        let user = stanza.get_child("x", xml::MUC_USER);
        let is_own = user.is_some_and(|user| has_status(user, OWN_PRESENCE));
        match (self.state, kind) {
            (State::Joining { .. } | State::Joined, Some("error")) => {
                let reason = xml::error_condition(stanza).unwrap_or("error without condition");
                self.out(now, reason, random)
            }
            (State::Joining { .. }, None) if is_own => {
                self.nickname = nickname(stanza).unwrap_or(&self.nickname).to_owned();
                if user.is_some_and(|user| has_status(user, ROOM_CREATED)) {
                    self.fetch_form(now)
                } else {
                    self.joined()
                }
            }
            (State::Joining { .. }, None) => {
                self.state = State::Joining { deadline: now + REPLY_TIMEOUT };
                Step::default()
            }
            (State::Out | State::Waiting { .. }, _) => Step::default(),
            (_, Some("unavailable")) if is_own => {
                if let Some(renamed) = user.and_then(new_nickname) {
                    self.nickname = renamed;
                    return Step::default();
                }
                self.out(now, "removed from the room", random)
            }
            _ => Step::default(),
        }
    }

    /// Looks at the answer to a request to the room.
    pub(crate) fn handle_response(&mut self, now: Instant, iq: &Element, random: u64) -> Step {
        let succeeded = iq.attr("type") == Some("result");
        match (self.state, iq.attr("id")) {
            (State::FetchingForm { .. }, Some(FETCH_FORM_ID)) => {
                match form(iq).filter(|_| succeeded) {
                    Some(form) => self.submit_form(now, form),
                    None => self.give_up(now, "no owner form", random),
                }
            }
            (State::SubmittingForm { .. }, Some(SUBMIT_FORM_ID)) if succeeded => self.joined(),
            (State::SubmittingForm { .. }, Some(SUBMIT_FORM_ID)) => {
                self.give_up(now, "the configuration of the new room was refused", random)
            }
            _ => Step::default(),
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, caps: Element, random: u64) -> Step {
        match self.state {
            State::Joining { deadline } if now >= deadline => self.out(now, "no answer", random),
            State::FetchingForm { deadline } | State::SubmittingForm { deadline }
                if now >= deadline =>
            {
                self.give_up(now, "no answer to the configuration of the new room", random)
            }
            State::Waiting { until } if now >= until => {
                Step { send: vec![self.join(now, caps)], change: None }
            }
            _ => Step::default(),
        }
    }

    /// The presence that leaves the room, if it was entered.
    pub(crate) fn leave(&mut self) -> Option<Element> {
        let entered = !matches!(self.state, State::Out | State::Waiting { .. });
        self.state = State::Out;
        entered.then(|| {
            let mut presence = self.presence();
            xml::set(&mut presence, "type", "unavailable");
            presence
        })
    }

    /// Whether the room is joined.
    pub(crate) fn is_joined(&self) -> bool {
        self.state == State::Joined
    }

    /// The room's JID as configured.
    pub(crate) fn jid(&self) -> &str {
        &self.jid
    }

    /// Whether `from` is the room or one of its occupants.
    pub(crate) fn is_source(&self, from: &str) -> bool {
        xml::bare_lower_case(from) == self.key
    }

    /// When [`Room::handle_timeout`] has something to do.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Out | State::Joined => None,
            State::Joining { deadline }
            | State::FetchingForm { deadline }
            | State::SubmittingForm { deadline } => Some(deadline),
            State::Waiting { until } => Some(until),
        }
    }

    /// A presence to the own place in the room, without content.
    pub(crate) fn presence(&self) -> Element {
        let occupant = format!("{}/{}", self.jid, self.nickname);
        xml::element("presence", xml::CLIENT, &[("to", &occupant)])
    }

    fn joined(&mut self) -> Step {
        self.state = State::Joined;
        self.backoff.reset();
        self.reported = None;
        Step { send: Vec::new(), change: Some(Change::Joined) }
    }

    /// Differs from JVB, which does not try again before the next login.
    fn out(&mut self, now: Instant, reason: &str, random: u64) -> Step {
        self.state = State::Waiting { until: now + self.backoff.next_pause(random) };
        if self.reported.as_deref() == Some(reason) {
            return Step::default();
        }
        self.reported = Some(reason.to_owned());
        Step { send: Vec::new(), change: Some(Change::Out(reason.to_owned())) }
    }

    /// Leaves a room that was entered but is of no use.
    fn give_up(&mut self, now: Instant, reason: &str, random: u64) -> Step {
        let leave = self.leave();
        let mut step = self.out(now, reason, random);
        step.send.extend(leave);
        step
    }

    /// A room that did not exist before has to be configured before others can enter, or see who
    /// is in it (XEP-0045 section 10.1).
    fn fetch_form(&mut self, now: Instant) -> Step {
        self.state = State::FetchingForm { deadline: now + REPLY_TIMEOUT };
        let query = xml::element("query", xml::MUC_OWNER, &[]);
        Step { send: vec![self.request("get", FETCH_FORM_ID, query)], change: None }
    }

    fn submit_form(&mut self, now: Instant, form: &Element) -> Step {
        self.state = State::SubmittingForm { deadline: now + REPLY_TIMEOUT };
        let query = xml::element("query", xml::MUC_OWNER, &[]);
        let query = xml::with_child(query, filled(form));
        Step { send: vec![self.request("set", SUBMIT_FORM_ID, query)], change: None }
    }

    fn request(&self, kind: &str, id: &str, payload: Element) -> Element {
        let attributes = [("type", kind), ("id", id), ("to", self.jid.as_str())];
        xml::with_child(xml::element("iq", xml::CLIENT, &attributes), payload)
    }
}

fn has_status(user: &Element, code: &str) -> bool {
    user.children().any(|child| child.name() == "status" && child.attr("code") == Some(code))
}

fn nickname(presence: &Element) -> Option<&str> {
    presence.attr("from")?.split_once('/').map(|(_, nickname)| nickname)
}

/// The nickname that this client goes on with, if it is only renamed.
fn new_nickname(user: &Element) -> Option<String> {
    let item = user.get_child("item", xml::MUC_USER).filter(|_| has_status(user, RENAMED))?;
    item.attr("nick").map(str::to_owned)
}

fn form(iq: &Element) -> Option<&Element> {
    iq.get_child("query", xml::MUC_OWNER)?.get_child("x", xml::DATA_FORMS)
}

/// The form as the server proposes it, with everybody seeing who is in the room.
fn filled(form: &Element) -> Element {
    let mut submitted = xml::element("x", xml::DATA_FORMS, &[("type", "submit")]);
    for field in form.children().filter(|child| child.is("field", xml::DATA_FORMS)) {
        let Some(name) = field.attr("var").filter(|&name| name != WHOIS) else { continue };
        let mut copy = xml::element("field", xml::DATA_FORMS, &[("var", name)]);
        for value in field.children().filter(|child| child.is("value", xml::DATA_FORMS)) {
            copy.append_child(value.clone());
        }
        submitted.append_child(copy);
    }
    let whois = xml::element("field", xml::DATA_FORMS, &[("var", WHOIS)]);
    let anyone = xml::text_element("value", xml::DATA_FORMS, "anyone");
    xml::with_child(submitted, xml::with_child(whois, anyone))
}

/// XEP-0045 section 15.6.2: status codes.
const OWN_PRESENCE: &str = "110";
const ROOM_CREATED: &str = "201";
const RENAMED: &str = "303";
const WHOIS: &str = "muc#roomconfig_whois";
const FETCH_FORM_ID: &str = "room-form";
const SUBMIT_FORM_ID: &str = "room-configuration";
/// How long the room may take to answer; each presence from it starts the time anew. Smack's.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses before a room is tried again that could not be joined. A refusal is mostly a mistake in
/// the configuration, a room that does not answer comes back with its server.
const FIRST_RETRY: Duration = Duration::from_secs(4);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn caps() -> Element {
        xml::element("c", "http://jabber.org/protocol/caps", &[])
    }

    fn presence(kind: &str, nickname: &str, codes: &[&str]) -> Element {
        let status: String = codes.iter().map(|code| format!("<status code='{code}'/>")).collect();
        format!(
            "<presence xmlns='jabber:client' from='r@m/{nickname}' {kind}>\
             <x xmlns='http://jabber.org/protocol/muc#user'><item nick='later'/>{status}</x>\
             </presence>"
        )
        .parse()
        .unwrap()
    }

    fn error(condition: &str) -> Element {
        format!(
            "<presence xmlns='jabber:client' from='r@m/jvb' type='error'><error type='cancel'>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
        )
        .parse()
        .unwrap()
    }

    fn joining(now: Instant) -> Room {
        let mut room = Room::new("r@m", "jvb");
        let join = room.join(now, caps());
        assert_eq!(join.attr("to"), Some("r@m/jvb"));
        assert!(join.has_child("x", xml::MUC));
        assert!(!join.has_child("stats", bridge_signaling::ns::COLIBRI));
        room
    }

    #[tokio::test(start_paused = true)]
    async fn own_presence_completes_the_join() {
        let now = Instant::now();
        let mut room = joining(now);
        assert!(room.handle_presence(now, &presence("", "focus", &[]), 0).change.is_none());
        let step = room.handle_presence(now, &presence("", "jvb-1", &["110", "210"]), 0);
        assert_eq!(step.change, Some(Change::Joined));
        assert!(room.is_joined());
        assert_eq!(room.presence().attr("to"), Some("r@m/jvb-1"), "rewritten nickname");
        assert_eq!(room.deadline(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_join_is_tried_again_later_and_later() {
        let mut now = Instant::now();
        let mut room = joining(now);
        for (attempt, pause_s) in [2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            let step = room.handle_presence(now, &error("conflict"), 0);
            let told = (attempt == 0).then(|| Change::Out("conflict".into()));
            assert_eq!(step.change, told, "told once");
            assert_eq!(room.deadline(), Some(now + Duration::from_secs(pause_s)));
            now += Duration::from_secs(pause_s);
            let step = room.handle_timeout(now, caps(), 0);
            assert_eq!(step.send[0].attr("to"), Some("r@m/jvb"), "the same nickname");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_room_is_given_up_after_five_seconds() {
        let now = Instant::now();
        let mut room = joining(now);
        let later = now + Duration::from_secs(4);
        room.handle_presence(later, &presence("", "focus", &[]), 0);
        assert!(room.handle_timeout(now + REPLY_TIMEOUT, caps(), 0).change.is_none());
        let step = room.handle_timeout(later + REPLY_TIMEOUT, caps(), 0);
        assert_eq!(step.change, Some(Change::Out("no answer".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_room_is_opened_to_everybody() {
        let now = Instant::now();
        let mut room = joining(now);
        let step = room.handle_presence(now, &presence("", "jvb", &["110", "201"]), 0);
        assert_eq!(step.send[0].attr("type"), Some("get"));
        let form = "<iq xmlns='jabber:client' type='result' id='room-form' from='r@m'>\
            <query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' \
            type='form'><title>t</title><field type='hidden' var='FORM_TYPE'><value>\
            http://jabber.org/protocol/muc#roomconfig</value></field><field type='fixed'>\
            <value>x</value></field><field var='muc#roomconfig_whois' type='list-single'>\
            <value>moderators</value></field></x></query></iq>";
        let step = room.handle_response(now, &form.parse().unwrap(), 0);
        let form = step.send[0]
            .get_child("query", xml::MUC_OWNER)
            .and_then(|query| query.get_child("x", xml::DATA_FORMS))
            .unwrap();
        let fields: Vec<_> =
            form.children().map(|f| (f.attr("var"), f.children().count())).collect();
        assert_eq!(fields, [(Some("FORM_TYPE"), 1), (Some(WHOIS), 1)]);
        let done = "<iq xmlns='jabber:client' type='result' id='room-configuration' from='r@m'/>";
        let step = room.handle_response(now, &done.parse().unwrap(), 0);
        assert_eq!(step.change, Some(Change::Joined));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_room_that_cannot_be_configured_is_left() {
        let now = Instant::now();
        let mut room = joining(now);
        room.handle_presence(now, &presence("", "jvb", &["110", "201"]), 0);
        let refused = "<iq xmlns='jabber:client' type='error' id='room-form' from='r@m'/>";
        let step = room.handle_response(now, &refused.parse().unwrap(), 0);
        assert!(matches!(step.change, Some(Change::Out(_))));
        assert_eq!(step.send[0].attr("type"), Some("unavailable"));
    }

    #[tokio::test(start_paused = true)]
    async fn kicks_are_noticed_and_renames_followed() {
        let now = Instant::now();
        let mut room = joining(now);
        room.handle_presence(now, &presence("", "jvb", &["110"]), 0);
        room.handle_presence(now, &presence("type='unavailable'", "jvb", &["303", "110"]), 0);
        assert!(room.is_joined());
        assert_eq!(room.presence().attr("to"), Some("r@m/later"));
        room.handle_presence(now, &presence("type='unavailable'", "focus", &[]), 0);
        assert!(room.is_joined(), "somebody else left");
        let step =
            room.handle_presence(now, &presence("type='unavailable'", "jvb", &["307", "110"]), 0);
        assert!(matches!(step.change, Some(Change::Out(_))));
        assert_eq!(room.leave(), None, "not in the room any more");
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_is_announced_once() {
        let now = Instant::now();
        let mut room = joining(now);
        room.handle_presence(now, &presence("", "jvb", &["110"]), 0);
        assert_eq!(room.leave().unwrap().attr("type"), Some("unavailable"));
        assert_eq!(room.leave(), None);
    }
}
