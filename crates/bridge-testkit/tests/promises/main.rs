//! What the media plane promises to receivers, in simulated conferences. One file a promise.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod a_falling_link_is_followed_and_found_again;
mod a_late_receiver_sees_everybody_soon;
mod a_screen_on_stage_comes_first;
mod a_slow_receiver_stays_smooth_and_recovers;
mod a_top_layer_that_drops_out_costs_little;
mod burst_loss_from_the_sender_is_repaired;
mod burst_loss_to_the_receiver_is_repaired;
mod few_ssrcs_stand_for_fifty_people;
mod fifty_senders_and_a_changing_speaker;
mod hostile_participants_harm_nobody_else;
mod one_seed_gives_one_result;
mod redundant_audio_is_never_damaged;
mod switching_layers_is_transparent;
mod uneven_delay_costs_little;
mod what_chromium_sent_arrives_without_a_flaw;
