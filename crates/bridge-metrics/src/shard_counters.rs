//! What a shard counts: plain integers that it owns, copied out now and then for whoever reads.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! shard_counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one shard. Only its own thread writes them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct ShardCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl ShardCounters {
            /// Name and value of each counter, in a fixed order.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// Adds another shard's counters.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.wrapping_add(other.$name);)*
            }
        }

        /// The last copy of a shard's counters, readable from any thread.
        #[derive(Debug, Default)]
        pub struct SharedShardCounters {
            $($name: AtomicU64,)*
        }

        impl SharedShardCounters {
            /// Publishes a copy; called by the shard a few times a second, never per packet.
            pub fn store(&self, counters: &ShardCounters) {
                $(self.$name.store(counters.$name, Ordering::Relaxed);)*
            }

            /// The last published copy.
            pub fn load(&self) -> ShardCounters {
                ShardCounters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

shard_counters! {
    /// Datagrams received.
    datagrams_in,
    /// Bytes received, UDP payload.
    bytes_in,
    /// Datagrams given to the kernel.
    datagrams_out,
    /// Bytes given to the kernel, UDP payload.
    bytes_out,
    /// Messages (single datagrams or GSO runs) that carried them.
    runs_out,
    /// Datagrams that the kernel refused.
    send_refused,
    /// RTP packets opened.
    rtp_in,
    /// RTP packets sealed for receivers.
    rtp_out,
    /// RTCP packets opened.
    rtcp_in,
    /// RTCP packets sealed.
    rtcp_out,
    /// Sessions alive on the shard.
    sessions,
    /// Entries of any kind that the shard keeps for sessions: 0 when all are gone.
    entries,
    /// Sessions that moved to another shard.
    sessions_moved_away,
    /// Sessions that arrived from another shard.
    sessions_moved_here,
    /// Datagrams handed to the shard that owns their session.
    datagrams_handed_over,
    /// Packets published to other shards.
    packets_published,
    /// Packets received from other shards.
    packets_from_shards,
    /// Packets or messages lost because another shard's queue was full.
    dropped_shard_queue_full,
    /// Datagrams from nobody: unknown address and no Binding request of a known ufrag.
    dropped_unknown_source,
    /// STUN that the ICE agent refused.
    dropped_stun,
    /// DTLS that was refused.
    dropped_dtls,
    /// Datagrams that are neither STUN, DTLS, RTP nor RTCP.
    dropped_unknown_protocol,
    /// Media before keys that was more than can wait for them.
    dropped_no_keys,
    /// Malformed RTP headers.
    dropped_rtp_malformed,
    /// Malformed RTCP compounds.
    dropped_rtcp_malformed,
    /// RTP or RTCP that did not authenticate.
    dropped_unauthenticated,
    /// Replayed RTP or RTCP.
    dropped_replayed,
    /// RTP with a payload type that was not negotiated.
    dropped_unknown_payload_type,
    /// RTP with an SSRC that was not signalled for its sender.
    dropped_unknown_ssrc,
    /// RTP of encodings that nobody gets.
    dropped_not_selected,
    /// RTP of muted or visiting senders.
    dropped_muted,
    /// RTP that could not be sealed.
    dropped_seal_failed,
    /// RTP of a receive batch that grew over its bound.
    dropped_batch_full,
    /// Commands for sessions that are not there.
    dropped_commands,
    /// Bridge-channel messages that could not be queued.
    dropped_messages,
    /// Events that the control plane did not take.
    dropped_events,
    /// Keyframe requests received.
    keyframe_requests_in,
    /// Keyframe requests sent on.
    keyframe_requests_out,
    /// NACK packets received.
    nacks_in,
    /// NACK packets sent on.
    nacks_out,
    /// Transport-wide feedback packets sent.
    transport_feedback_out,
    /// Packets sent again on retransmission streams: losses answered, and padding.
    retransmissions_out,
    /// Packets of padding alone.
    padding_out,
    /// Packets asked for again that are not kept any more.
    nack_misses,
    /// Packets asked for again that are under way still.
    nack_repeats,
    /// Packets asked for again for which the link has no room.
    nacks_over_budget,
    /// Packets that the pacer had no room for.
    dropped_pacer_full,
    /// Video packets of a layer that is to be left and that the receiver's link does not take.
    dropped_left_layer,
    /// Packets that waited until they were not kept any more.
    dropped_not_kept,
    /// Packets of encodings beyond those of which packets are kept.
    dropped_encoding_limit,
    /// Sources, or packets of such, beyond those that one receiver remembers: video is not sent, audio
    /// without what needs memory.
    dropped_source_limit,
    /// Packets with headers that cannot be rewritten.
    dropped_header,
    /// Media that was too old when it was read: the shard has more to do than it can.
    dropped_overload_video,
    /// Audio that was too old when it was read.
    dropped_overload_audio,
    /// RTP that an endpoint sent and that is of no use: repeated, padding alone, unreadable.
    dropped_reception,
    /// Panics caught; each dropped one session.
    panics,
}
