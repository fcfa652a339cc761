//! What the control plane promises: one behaviour a test, one subject a file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod a_loaded_bridge_sends_less_video;
mod a_new_speaker_is_shown_at_once;
mod a_speaker_change_is_cheap;
mod audio_subscriptions_select_sources;
mod bridge_channel_messages_reach_whom_they_are_for;
mod clients_are_told_their_bandwidth;
mod conferences_begin_and_end;
mod endpoints_are_created;
mod endpoints_are_updated;
mod endpoints_expire;
mod nothing_is_left_behind;
mod only_the_loudest_are_heard_if_wanted;
mod random_requests_keep_commands_balanced;
mod receivers_get_the_video_that_they_want;
mod requests_are_restricted;
mod rewritten_sources_are_explained;
mod senders_are_told_what_is_wanted;
mod shutdown_refuses_only_new_conferences;
mod silent_endpoints_are_noticed;
mod speakers_are_announced;
mod statistics_reach_those_who_look;
mod the_data_plane_stays_in_step;
mod what_is_unsupported_says_so;
mod world;
