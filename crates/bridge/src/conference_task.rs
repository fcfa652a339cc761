//! One task per conference: its queue, its timer, its commands.

use crate::videobridge::Videobridge;
use bridge_conference::Conference;
use bridge_shard::SessionEvent;
use bridge_signaling::ErrorAnswer;
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Requests and events that wait for one conference. Jicofo sends a handful at a time; a conference of
/// 500 endpoints reports activity 500 times a second.
pub(crate) const CONFERENCE_QUEUE_LIMIT: usize = 4_096;

/// Where the answer to a request goes.
pub(crate) type Reply = Box<dyn FnOnce(Result<ConferenceModified, ErrorAnswer>) + Send>;

/// What a conference's task is given.
pub(crate) enum ConferenceInput {
    /// A colibri2 request.
    Request(Box<ConferenceModify>, Reply),
    /// Something that happened to a session.
    Event(SessionEvent),
    /// Asks how many video sources that endpoint gets which gets most.
    MostForwarded(oneshot::Sender<Option<usize>>),
    /// Asks for the debug state.
    DebugState {
        /// Everything, or only the names.
        full: bool,
        /// Where it goes.
        reply: oneshot::Sender<Value>,
    },
}

/// How to reach a conference's task.
pub(crate) type ConferenceSender = mpsc::Sender<ConferenceInput>;

/// Runs until the conference has ended or the bridge drops its queue.
pub(crate) async fn run(
    bridge: Arc<Videobridge>,
    mut conference: Conference,
    mut inputs: mpsc::Receiver<ConferenceInput>,
) {
    let id = conference.identity().id;
    let mut last_n = bridge.last_n_changes();
    conference.set_bridge_last_n(*last_n.borrow_and_update());
    while !conference.is_expired() {
        let deadline = conference.poll_timeout();
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => {
                    if !contained(&bridge, &mut conference, input) {
                        break;
                    }
                }
                None => break,
            },
            Ok(()) = last_n.changed() => {
                conference.set_bridge_last_n(*last_n.borrow_and_update());
            }
            () = bridge.sleep_until(deadline) => {
                conference.handle_timeout(bridge.now());
                carry_out(&bridge, &mut conference);
            }
        }
    }
    if !conference.is_expired() {
        conference.expire_now();
        carry_out(&bridge, &mut conference);
    }
    bridge.conference_ended(id);
}

/// Takes one input. A panic is a bug: it ends this conference and no other. `false` after one.
fn contained(
    bridge: &Arc<Videobridge>,
    conference: &mut Conference,
    input: ConferenceInput,
) -> bool {
    let work = AssertUnwindSafe(|| handle(bridge, conference, input));
    let survived = catch_unwind(work).is_ok();
    if !survived {
        bridge.note_panic();
        tracing::error!(
            meeting_id = conference.identity().meeting_id,
            "a conference met a bug and is ended"
        );
    }
    survived
}

fn handle(bridge: &Arc<Videobridge>, conference: &mut Conference, input: ConferenceInput) {
    match input {
        ConferenceInput::Request(request, reply) => {
            let answer = conference.handle_request(bridge.now(), &request);
            carry_out(bridge, conference);
            if conference.is_expired() {
                // Before the answer, so that the meeting id can be used again as soon as it arrives.
                bridge.conference_ended(conference.identity().id);
            }
            reply(answer.map_err(|error| error.to_error_answer()));
        }
        ConferenceInput::Event(event) => {
            conference.handle_event(bridge.now(), event);
            carry_out(bridge, conference);
        }
        ConferenceInput::MostForwarded(reply) => {
            // Whoever asked may have given up.
            let _ = reply.send(conference.most_forwarded_sources());
        }
        ConferenceInput::DebugState { full, reply } => {
            let state = if full { conference.debug_state() } else { conference.debug_summary() };
            // Whoever asked may be gone.
            let _ = reply.send(state);
        }
    }
}

fn carry_out(bridge: &Arc<Videobridge>, conference: &mut Conference) {
    while let Some((target, command)) = conference.poll_command() {
        bridge.command(target, command);
    }
    bridge.note_conference(conference);
}
