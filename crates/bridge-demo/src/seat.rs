use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::room::Room;

/// What a page needs to know: always the whole of it, so that news can be skipped but never lost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct View {
    /// Rises with each change; a page asks for a view that is newer than the one it has.
    pub serial: u64,
    /// The version of `offer`; the page answers each version once.
    pub offer_version: u64,
    /// The description to answer.
    pub offer: String,
    /// Everybody in the room, also the one who asks, in the order of arrival.
    pub people: Vec<Person>,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The endpoint id.
    pub id: String,
    /// The name to show.
    pub name: String,
}

/// A page's place in a room: what its secret token stands for.
pub(crate) struct Seat {
    pub(crate) room: Arc<Room>,
    pub(crate) id: String,
    view: watch::Sender<View>,
    seen_at: Mutex<Instant>,
}

impl Seat {
    pub(crate) fn new(room: Arc<Room>, id: String) -> Self {
        let (view, _) = watch::channel(View::default());
        Self { room, id, view, seen_at: Mutex::new(Instant::now()) }
    }

    /// Replaces what the page sees; the serial is kept here.
    pub(crate) fn show(&self, offer_version: u64, offer: String, people: Vec<Person>) {
        self.view.send_modify(|view| {
            *view = View { serial: view.serial + 1, offer_version, offer, people };
        });
    }

    /// The first view that is newer than `serial`, or `None` if there is none within `patience`.
    pub(crate) async fn newer_view(&self, serial: u64, patience: Duration) -> Option<View> {
        let mut receiver = self.view.subscribe();
        let _presence = Presence(self);
        let newer = receiver.wait_for(|view| view.serial > serial);
        match tokio::time::timeout(patience, newer).await {
            Ok(Ok(view)) => Some(view.clone()),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    pub(crate) fn current_view(&self) -> View {
        self.view.borrow().clone()
    }

    /// True when the page has not polled for `time`.
    pub(crate) fn is_unseen_for(&self, time: Duration) -> bool {
        let seen_at = *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.view.receiver_count() == 0 && seen_at.elapsed() >= time
    }

    fn note_seen(&self) {
        *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Notes the time at which a poll ends, also when its connection is cut.
struct Presence<'a>(&'a Seat);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.0.note_seen();
    }
}
