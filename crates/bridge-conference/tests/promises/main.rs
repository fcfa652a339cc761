//! What the control plane promises: one behaviour a test, one subject a file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bridge_channel_messages_reach_whom_they_are_for;
mod conferences_begin_and_end;
mod endpoints_are_created;
mod endpoints_are_updated;
mod endpoints_expire;
mod nothing_is_left_behind;
mod random_requests_keep_commands_balanced;
mod requests_are_restricted;
mod shutdown_refuses_only_new_conferences;
mod the_data_plane_stays_in_step;
mod what_is_unsupported_says_so;
mod world;
