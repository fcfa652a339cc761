use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_signaling::ErrorAnswer;
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use serde::Serialize;
use thiserror::Error;
use tracing::{debug, info, warn};

use crate::colibri;
use crate::handler::ColibriHandler;
use crate::limits::Limits;
use crate::name::{display_name, room_name};
use crate::random;
use crate::room::{Participant, Room, RoomState};
use crate::sdp::{Answer, AnswerError, Offer};
use crate::seat::{Seat, View};

/// The focus: rooms, who sits in them, and the bridge that carries them.
///
/// Requests to the bridge have the form and the order of Jicofo's: an allocation per participant, one
/// update when it has answered, an expiry when it is gone.
pub struct Demo {
    bridge: Arc<dyn ColibriHandler>,
    limits: Limits,
    /// Listed rooms by name. Never locked while a room's state is waited for.
    rooms: Mutex<HashMap<String, Arc<Room>>>,
    /// Seats by token.
    seats: Mutex<HashMap<String, Arc<Seat>>>,
}

/// What a page gets when it joins.
#[derive(Clone, Debug, Serialize)]
pub struct Joined {
    /// The endpoint id of the new participant.
    pub id: String,
    /// The secret that all later requests of the page carry.
    pub token: String,
    /// The name as it is shown.
    pub name: String,
    /// The first view, with the offer to answer.
    pub view: View,
}

/// Why a page's request was refused.
#[derive(Clone, Debug, Error)]
pub enum DemoError {
    /// The room's name has characters that do not fit.
    #[error("a room name is up to 64 letters, digits, dashes, dots and underscores")]
    BadRoomName,
    /// There are as many rooms as the limits allow.
    #[error("there are too many rooms")]
    TooManyRooms,
    /// The room is full.
    #[error("the room is full")]
    RoomFull,
    /// No participant has this token (any more).
    #[error("this participant has left")]
    Gone,
    /// The answer of the page cannot be used.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The bridge refused or its answer cannot be used.
    #[error("the bridge refused: {0}")]
    Bridge(String),
}

impl Demo {
    /// A focus without rooms on the bridge behind `bridge`.
    pub fn new(bridge: Arc<dyn ColibriHandler>, limits: Limits) -> Arc<Self> {
        let (rooms, seats) = (Mutex::default(), Mutex::default());
        Arc::new(Self { bridge, limits, rooms, seats })
    }

    /// Seats a new participant: allocates its endpoint on the bridge and makes its first offer.
    pub async fn join(&self, room: &str, name: &str) -> Result<Joined, DemoError> {
        let room_name = room_name(room).ok_or(DemoError::BadRoomName)?;
        let name = display_name(name);
        for _ in 0..JOIN_ATTEMPTS {
            let room = self.listed_room(&room_name)?;
            let mut state = room.state.lock().await;
            if state.closed {
                continue;
            }
            if state.participants.len() >= self.limits.participants {
                return Err(DemoError::RoomFull);
            }
            match self.allocate(&room, &mut state, &name).await {
                Err(error) if state.created && colibri::is_conference_not_found(&error) => {
                    // The bridge ended the conference on its own, for want of traffic. The pages in
                    // it find out at their next poll and join again.
                    info!(room = room.name, "the bridge has dropped the conference");
                    self.close(&room, &mut state);
                }
                Err(error) => {
                    self.close_if_empty(&room, &mut state);
                    return Err(DemoError::Bridge(colibri::describe(&error)));
                }
                Ok(answer) => return self.seat(&room, &mut state, name, answer),
            }
        }
        Err(DemoError::Bridge("the conference ended again and again".to_owned()))
    }

    /// Takes a page's answer: tells the bridge its transport and sources, and the others its sources.
    pub async fn answer(&self, token: &str, sdp: &str) -> Result<(), DemoError> {
        let seat = self.seat_of(token).ok_or(DemoError::Gone)?;
        let answer = Answer::parse(sdp, &seat.id)?;
        let mut state = seat.room.state.lock().await;
        let meeting_id = state.meeting_id.clone();
        let participant = state.participant_mut(&seat.id).ok_or(DemoError::Gone)?;
        if participant.sources.as_ref() == Some(&answer.sources) {
            return Ok(());
        }
        let is_first = participant.sources.is_none();
        let request = colibri::update_endpoint(&meeting_id, &seat.id, &answer, is_first);
        self.request(request)
            .await
            .map_err(|error| DemoError::Bridge(colibri::describe(&error)))?;
        participant.sources = Some(answer.sources);
        state.publish();
        Ok(())
    }

    /// Waits for a view that is newer than `serial`; `None` when nothing changed for a while.
    pub async fn view(&self, token: &str, serial: u64) -> Result<Option<View>, DemoError> {
        let seat = self.seat_of(token).ok_or(DemoError::Gone)?;
        Ok(seat.newer_view(serial, self.limits.poll).await)
    }

    /// Ends a participant; the last one ends the conference.
    pub async fn leave(&self, token: &str) -> Result<(), DemoError> {
        let seat = self.locked_seats().remove(token).ok_or(DemoError::Gone)?;
        let mut state = seat.room.state.lock().await;
        if state.closed {
            return Ok(());
        }
        state.participants.retain(|participant| participant.id != seat.id);
        let request = if state.participants.is_empty() {
            colibri::expire_conference(&state.meeting_id)
        } else {
            colibri::expire_endpoint(&state.meeting_id, &seat.id)
        };
        if let Err(error) = self.request(request).await {
            // The bridge may have expired it first: the aim is reached.
            debug!(?error, id = seat.id, "expiry refused");
        }
        info!(room = seat.room.name, id = seat.id, "left");
        self.close_if_empty(&seat.room, &mut state);
        state.publish();
        Ok(())
    }

    /// Ends participants whose page has vanished without a word. Runs until it is dropped.
    pub async fn expire_vanished(&self) {
        let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
        loop {
            interval.tick().await;
            for token in self.vanished() {
                match self.leave(&token).await {
                    Ok(()) => debug!("a vanished participant was expired"),
                    Err(error) => debug!(%error, "a vanished participant had left"),
                }
            }
        }
    }

    /// The number of rooms and of participants.
    pub fn sizes(&self) -> (usize, usize) {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner).len();
        (rooms, self.locked_seats().len())
    }

    fn vanished(&self) -> Vec<String> {
        let seats = self.locked_seats();
        let unseen = |seat: &Arc<Seat>| seat.is_unseen_for(self.limits.vanished_after);
        seats.iter().filter(|(_, seat)| unseen(seat)).map(|(token, _)| token.clone()).collect()
    }

    /// The room of this name, new if need be.
    fn listed_room(&self, name: &str) -> Result<Arc<Room>, DemoError> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.get(name) {
            return Ok(Arc::clone(room));
        }
        if rooms.len() >= self.limits.rooms {
            return Err(DemoError::TooManyRooms);
        }
        let room = Arc::new(Room::new(name.to_owned()));
        rooms.insert(name.to_owned(), Arc::clone(&room));
        Ok(room)
    }

    /// Asks the bridge for an endpoint with a new id.
    async fn allocate(
        &self,
        room: &Room,
        state: &mut RoomState,
        name: &str,
    ) -> Result<(String, ConferenceModified), ErrorAnswer> {
        let id = state.free_id();
        let conference = (!state.created).then_some(room.name.as_str());
        let request = colibri::create_endpoint(&state.meeting_id, conference, &id, name);
        let answer = self.request(request).await?;
        state.created = true;
        Ok((id, answer))
    }

    fn seat(
        &self,
        room: &Arc<Room>,
        state: &mut RoomState,
        name: String,
        (id, answer): (String, ConferenceModified),
    ) -> Result<Joined, DemoError> {
        let allocated = colibri::allocation(&answer, &id);
        let Some((transport, feedback)) = allocated else {
            self.close_if_empty(room, state);
            return Err(DemoError::Bridge("the answer has no usable transport".to_owned()));
        };
        let token = random::hex(16);
        let seat = Arc::new(Seat::new(Arc::clone(room), id.clone()));
        state.participants.push(Participant {
            id: id.clone(),
            name: name.clone(),
            token: token.clone(),
            offer: Offer::new(transport, feedback),
            sources: None,
            seat: Arc::clone(&seat),
        });
        self.locked_seats().insert(token.clone(), Arc::clone(&seat));
        state.publish();
        info!(room = room.name, id, name, "joined");
        Ok(Joined { id, token, name, view: seat.current_view() })
    }

    async fn request(&self, request: ConferenceModify) -> Result<ConferenceModified, ErrorAnswer> {
        self.bridge.conference_modify(request).await
    }

    fn close_if_empty(&self, room: &Room, state: &mut RoomState) {
        if state.participants.is_empty() {
            self.close(room, state);
        }
    }

    /// Takes the room off the list and all of its participants off their seats.
    fn close(&self, room: &Room, state: &mut RoomState) {
        state.closed = true;
        let mut seats = self.locked_seats();
        for participant in state.participants.drain(..) {
            seats.remove(&participant.token);
        }
        drop(seats);
        let listed = self.rooms.lock().unwrap_or_else(PoisonError::into_inner).remove(&room.name);
        if listed.is_none() {
            warn!(room = room.name, "a room ended twice");
        }
    }

    fn seat_of(&self, token: &str) -> Option<Arc<Seat>> {
        self.locked_seats().get(token).cloned()
    }

    fn locked_seats(&self) -> MutexGuard<'_, HashMap<String, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A room can end while a page waits to join it; twice in a row is bad luck, more is a fault.
const JOIN_ATTEMPTS: usize = 4;

/// How often vanished participants are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(2);
