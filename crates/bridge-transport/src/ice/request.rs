//! The peer's checks: `ice4j: ConnectivityCheckServer` and the credential checks in front of it.

use std::net::SocketAddr;

use bridge_units::Timestamp;
use is::stun::{StunMessage, StunPacket};

use super::{Ice, Pair, Phase};
use crate::event::StunDropCause;
use crate::stun::{Class, Message, MessageWriter, Summary, TransactionId};

/// An answer of ours that waits to be sent.
pub(super) struct Reply {
    pub(super) pair: Pair,
    pub(super) bytes: Vec<u8>,
}

/// Checks that came before the peer's credentials. They have been answered; the checks in return
/// that they ask for start once the credentials are known.
#[derive(Default)]
pub(super) struct EarlyChecks {
    checks: Vec<EarlyCheck>,
}

struct EarlyCheck {
    pair: Pair,
    datagram: Box<[u8]>,
}

impl EarlyChecks {
    /// Keeps the newest check of each pair.
    fn insert(&mut self, pair: Pair, datagram: &[u8]) {
        self.checks.retain(|check| check.pair != pair);
        if self.checks.len() < MAX_EARLY {
            self.checks.push(EarlyCheck { pair, datagram: datagram.into() });
        }
    }
}

impl Ice {
    pub(crate) fn handle_stun(
        &mut self,
        now: Timestamp,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), StunDropCause> {
        let message = Message::parse(datagram).ok_or(StunDropCause::Malformed)?;
        if !message.is_binding() || message.class() == Class::Indication {
            return Err(StunDropCause::NotBinding);
        }
        let summary = Summary::of(message);
        if summary.malformed {
            return Err(StunDropCause::Malformed);
        }
        if !summary.fingerprint_fits(message) {
            return Err(StunDropCause::BadFingerprint);
        }
        if self.phase == Phase::Failed {
            return Err(StunDropCause::Failed);
        }
        if message.class() != Class::Request {
            return self.handle_response(now, local, from, message, &summary);
        }
        if !self.local_addresses.contains(&local) {
            return Err(StunDropCause::UnknownLocalAddress);
        }
        let pair = Pair { local, remote: from };
        match self.handle_request(now, pair, message, &summary) {
            Ok(()) => Ok(()),
            Err(cause) => {
                self.answer_error(pair, message.transaction_id(), cause, &summary);
                Err(cause)
            }
        }
    }

    fn handle_request(
        &mut self,
        now: Timestamp,
        pair: Pair,
        message: Message<'_>,
        summary: &Summary<'_>,
    ) -> Result<(), StunDropCause> {
        self.authenticate(message, summary)?;
        if !summary.unknown.is_empty() {
            return Err(StunDropCause::UnknownAttribute);
        }
        if summary.priority.is_none() {
            return Err(StunDropCause::MissingPriority);
        }
        let parsed = StunMessage::parse(message.bytes()).map_err(|_| StunDropCause::Malformed)?;
        // Differs from JVB: checks on a known pair other than the selected one are answered, as
        // with its keep-alive strategy `all_succeeded`.
        if self.phase == Phase::Terminated && !self.sources.contains(pair.remote) {
            return Err(StunDropCause::Terminated);
        }
        if !self.sources.insert(pair.remote) {
            return Err(StunDropCause::TooManyAddresses);
        }
        self.settle_roles(summary)?;
        if self.agent.remote_credentials().is_none() {
            self.handle_early_check(pair, message);
        } else {
            self.pass_on(now, pair, parsed);
            self.advance(now);
        }
        Ok(())
    }

    /// RFC 8445, section 7.3.1.1: of two that want the same role, the greater tie-breaker controls.
    /// The library would let it keep either role; the priorities of its pairs do not depend on the
    /// role but for the last bit.
    fn settle_roles(&mut self, summary: &Summary<'_>) -> Result<(), StunDropCause> {
        let controlling = self.agent.controlling();
        let theirs = if controlling { summary.controlling } else { summary.controlled };
        let Some(theirs) = theirs else { return Ok(()) };
        if (self.tie_breaker >= theirs) == controlling {
            return Err(StunDropCause::RoleConflict);
        }
        self.agent.set_controlling(!controlling);
        Ok(())
    }

    /// RFC 8489, section 9.1.3.
    fn authenticate(
        &self,
        message: Message<'_>,
        summary: &Summary<'_>,
    ) -> Result<(), StunDropCause> {
        let (local, remote) = summary
            .username
            .and_then(|username| username.split_once(':'))
            .ok_or(StunDropCause::NoUsername)?;
        let known = self.agent.remote_credentials().is_none_or(|peer| peer.ufrag == remote);
        if local != self.local.ufrag || !known {
            return Err(StunDropCause::UnknownUser);
        }
        // Differs from JVB: it accepts requests without MESSAGE-INTEGRITY.
        if !summary.has_integrity() {
            return Err(StunDropCause::NoIntegrity);
        }
        if !summary.verifies(message, &self.local.password) {
            return Err(StunDropCause::BadIntegrity);
        }
        Ok(())
    }

    /// RFC 8445, section 7.3: browsers begin before their description has reached us, and an answer
    /// needs only our own password. The library would keep such checks unanswered.
    fn handle_early_check(&mut self, pair: Pair, message: Message<'_>) {
        self.early.insert(pair, message.bytes());
        let writer = MessageWriter::success(message.transaction_id())
            .xor_mapped_address(pair.remote)
            .software(&self.context.ice.software);
        self.reply(pair, writer.finish(Some(&self.local.password)));
    }

    /// Hands the kept checks to the library and drops its answers: they were given already.
    pub(super) fn replay_early_checks(&mut self, now: Timestamp) {
        for check in std::mem::take(&mut self.early.checks) {
            let Ok(parsed) = StunMessage::parse(&check.datagram) else { continue };
            let Some(message) = Message::parse(&check.datagram) else { continue };
            self.pass_on(now, check.pair, parsed);
            let id = message.transaction_id();
            while let Some(transmit) = self.agent.poll_transmit() {
                let answer = Message::parse(&transmit.contents);
                if answer.is_some_and(|answer| answer.transaction_id() != id) {
                    let pair = Pair { local: transmit.source, remote: transmit.destination };
                    self.reply(pair, transmit.contents.to_vec());
                }
            }
        }
        self.advance(now);
    }

    fn pass_on(&mut self, now: Timestamp, pair: Pair, message: StunMessage<'_>) {
        self.agent.handle_packet(
            self.context.clock.instant(now),
            StunPacket {
                proto: is::Protocol::Udp,
                source: pair.remote,
                destination: pair.local,
                message,
            },
        );
    }

    fn answer_error(
        &mut self,
        pair: Pair,
        id: TransactionId,
        cause: StunDropCause,
        summary: &Summary<'_>,
    ) {
        let (code, reason) = match cause {
            StunDropCause::UnknownUser => (401, "unknown user"),
            StunDropCause::BadIntegrity => (401, "Wrong MESSAGE-INTEGRITY value"),
            StunDropCause::NoIntegrity => (400, "Missing MESSAGE-INTEGRITY attribute!"),
            StunDropCause::MissingPriority => (400, "Missing PRIORITY attribute!"),
            StunDropCause::UnknownAttribute => (420, "Unknown Attribute"),
            StunDropCause::RoleConflict => (487, "Role Conflict"),
            StunDropCause::Terminated => {
                (403, "Cannot add new remote candidates in current ICE state")
            }
            _ => return,
        };
        let writer = MessageWriter::error(id, code, reason).software(&self.context.ice.software);
        let writer = if cause == StunDropCause::UnknownAttribute {
            writer.unknown_attributes(&summary.unknown)
        } else {
            writer
        };
        // RFC 8489, section 9.1.3: no integrity in answers to whom we do not know.
        let known = !matches!(
            cause,
            StunDropCause::UnknownUser | StunDropCause::BadIntegrity | StunDropCause::NoIntegrity
        );
        self.reply(pair, writer.finish(known.then_some(self.local.password.as_str())));
    }

    fn reply(&mut self, pair: Pair, bytes: Vec<u8>) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back(Reply { pair, bytes });
        }
    }
}

/// A browser with many interfaces checks fewer pairs than this before it is answered.
const MAX_EARLY: usize = 16;
/// Answers between two polls; a peer that is not answered asks again.
const MAX_REPLIES: usize = 32;
