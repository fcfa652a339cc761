//! What is remembered of our own checks and of the addresses that passed them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bridge_units::Timestamp;
use is::stun::{StunMessage, StunPacket};

use super::{Ice, Pair};
use crate::event::StunDropCause;
use crate::stun::{Class, Message, Summary, TransactionId};

/// Checks that may still be answered.
#[derive(Default)]
pub(super) struct PendingChecks {
    checks: VecDeque<PendingCheck>,
}

struct PendingCheck {
    id: TransactionId,
    pair: Pair,
    sent: Timestamp,
}

/// Addresses of the peer that authenticated STUN came from.
#[derive(Default)]
pub(super) struct Sources {
    addresses: Vec<SocketAddr>,
}

impl PendingChecks {
    pub(super) fn insert(&mut self, now: Timestamp, id: TransactionId, pair: Pair) {
        while self.checks.front().is_some_and(|oldest| now.since(oldest.sent) > PENDING_TIMEOUT)
            || self.checks.len() >= MAX_PENDING
        {
            self.checks.pop_front();
        }
        self.checks.push_back(PendingCheck { id, pair, sent: now });
    }

    fn find(&self, id: TransactionId) -> Option<Pair> {
        self.checks.iter().find(|check| check.id == id).map(|check| check.pair)
    }

    fn remove(&mut self, id: TransactionId) {
        self.checks.retain(|check| check.id != id);
    }
}

impl Sources {
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// `false` if there is no room for another address.
    pub(super) fn insert(&mut self, address: SocketAddr) -> bool {
        if self.contains(address) {
            return true;
        }
        if self.addresses.len() >= MAX_SOURCES {
            return false;
        }
        self.addresses.push(address);
        true
    }
}

impl Ice {
    /// RFC 8445, section 7.2.5. Differs from JVB: MESSAGE-INTEGRITY is verified.
    pub(super) fn handle_response(
        &mut self,
        now: Timestamp,
        local: SocketAddr,
        from: SocketAddr,
        message: Message<'_>,
        summary: &Summary<'_>,
    ) -> Result<(), StunDropCause> {
        let id = message.transaction_id();
        let pair = self.pending.find(id).ok_or(StunDropCause::UnknownTransaction)?;
        let password = self
            .agent
            .remote_credentials()
            .map(|remote| remote.pass.as_str())
            .ok_or(StunDropCause::UnknownTransaction)?;
        if !summary.verifies(message, password) {
            return Err(StunDropCause::BadIntegrity);
        }
        self.pending.remove(id);
        // RFC 8445, section 7.2.5.2.1: symmetric addresses only. The pair fails by its timer.
        if from != pair.remote {
            return Err(StunDropCause::AsymmetricResponse);
        }
        if !self.knows_mapped(summary.mapped_address) || !self.sources.insert(from) {
            return Err(StunDropCause::TooManyAddresses);
        }
        let parsed = StunMessage::parse(message.bytes()).map_err(|_| StunDropCause::Malformed)?;
        let success = message.class() == Class::Success;
        let accepted = self.agent.handle_packet(
            self.context.clock.instant(now),
            StunPacket {
                proto: is::Protocol::Udp,
                source: from,
                destination: local,
                message: parsed,
            },
        );
        if !accepted {
            return Err(StunDropCause::UnknownTransaction);
        }
        if success {
            self.note_valid(pair);
            self.note_consent(now, pair);
        }
        self.advance(now);
        Ok(())
    }

    /// Bounds the local candidates that a peer's responses make the library keep for ever.
    fn knows_mapped(&mut self, mapped: Option<SocketAddr>) -> bool {
        let Some(mapped) = mapped else { return true };
        if self.mapped.contains(&mapped) || self.local_addresses.contains(&mapped) {
            return true;
        }
        let room = self.mapped.len() < MAX_MAPPED;
        if room {
            self.mapped.push(mapped);
        }
        room
    }
}

/// Longer than any retransmission schedule waits for an answer.
const PENDING_TIMEOUT: Duration = Duration::from_secs(10);
/// One check every 20 ms for 2.5 s, the longest round trip worth having.
const MAX_PENDING: usize = 128;
/// A browser has one port per interface and TURN server; a peer with more is playing.
const MAX_SOURCES: usize = 32;
/// Each of our NATs shows one address per local address.
const MAX_MAPPED: usize = 16;
