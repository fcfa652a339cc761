use std::sync::Arc;

use tokio::sync::Mutex;

use crate::random;
use crate::sdp::{Offer, Source};
use crate::seat::{Person, Seat};

/// A room is one conference on the bridge.
pub(crate) struct Room {
    pub(crate) name: String,
    /// Held while a request is at the bridge: requests of one conference go out one after another.
    pub(crate) state: Mutex<RoomState>,
}

/// Who is in a room.
pub(crate) struct RoomState {
    /// Names the conference towards the bridge; new for each life of a room.
    pub(crate) meeting_id: String,
    /// The bridge knows the conference.
    pub(crate) created: bool,
    /// The room has ended and is no longer listed; whoever waited for the lock starts afresh.
    pub(crate) closed: bool,
    pub(crate) participants: Vec<Participant>,
}

/// One page in a room.
pub(crate) struct Participant {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What only the page knows besides the focus.
    pub(crate) token: String,
    pub(crate) offer: Offer,
    /// What the page sends, as its last answer said; `None` before the first answer.
    pub(crate) sources: Option<Vec<Source>>,
    pub(crate) seat: Arc<Seat>,
}

impl Room {
    pub(crate) fn new(name: String) -> Self {
        let state = RoomState {
            meeting_id: random::uuid(),
            created: false,
            closed: false,
            participants: Vec::new(),
        };
        Self { name, state: Mutex::new(state) }
    }
}

impl RoomState {
    /// An endpoint id that is free: eight hex digits, as Jicofo's.
    pub(crate) fn free_id(&self) -> String {
        loop {
            let id = random::hex(4);
            if self.participants.iter().all(|participant| participant.id != id) {
                return id;
            }
        }
    }

    pub(crate) fn participant_mut(&mut self, id: &str) -> Option<&mut Participant> {
        self.participants.iter_mut().find(|participant| participant.id == id)
    }

    /// Brings every offer up to date and shows it.
    pub(crate) fn publish(&mut self) {
        let people: Vec<Person> = self
            .participants
            .iter()
            .map(|participant| Person {
                id: participant.id.clone(),
                name: participant.name.clone(),
            })
            .collect();
        let sources: Vec<Source> =
            self.participants.iter().filter_map(|p| p.sources.clone()).flatten().collect();
        for participant in &mut self.participants {
            let others: Vec<Source> =
                sources.iter().filter(|source| source.owner != participant.id).cloned().collect();
            participant.offer.set_remote_sources(&others);
            let offer = &participant.offer;
            participant.seat.show(offer.version(), offer.to_string(), people.clone());
        }
    }
}
