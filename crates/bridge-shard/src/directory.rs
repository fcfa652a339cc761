//! Who owns what, across shards: the only state that shards share.
//!
//! Written when a session begins, moves, meets a new remote address or ends; read for datagrams
//! that reached a shard which does not know their sender. Never touched by the packets of a settled
//! session.

use bridge_units::{ConferenceId, SessionId, ShardId};
use dashmap::DashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Finds the shard that owns a session, by what an unknown datagram shows of it.
#[derive(Default)]
pub struct Directory {
    shard_by_session: DashMap<SessionId, ShardId>,
    session_by_ufrag: DashMap<String, SessionId>,
    session_by_remote: DashMap<SocketAddr, SessionId>,
    presences: DashMap<ConferenceId, Arc<Presence>>,
}

/// On which shards a conference has sessions: a bit per shard, written when one gets its first or
/// loses its last, read once per batch.
#[derive(Debug, Default)]
pub struct Presence(AtomicU64);

/// Shards that a [`Presence`] can name; more cores than this share shards.
pub const MAX_SHARDS: u16 = 64;

impl Presence {
    /// Records whether `shard` has sessions of the conference.
    pub fn set(&self, shard: ShardId, present: bool) {
        let bit = 1u64 << (shard.0 % MAX_SHARDS);
        if present {
            self.0.fetch_or(bit, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// The shards other than `own` that have sessions of the conference.
    pub fn others(&self, own: ShardId) -> impl Iterator<Item = ShardId> + use<> {
        let mask = self.0.load(Ordering::Acquire) & !(1u64 << (own.0 % MAX_SHARDS));
        (0..MAX_SHARDS).filter(move |shard| mask & (1 << shard) != 0).map(ShardId)
    }
}

impl Directory {
    /// An empty directory, to be shared by all shards of the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that `session` begins on `shard` and is addressed by `local_ufrag`.
    pub fn insert(&self, session: SessionId, shard: ShardId, local_ufrag: &str) {
        self.shard_by_session.insert(session, shard);
        self.session_by_ufrag.insert(local_ufrag.to_owned(), session);
    }

    /// Gives `session` away with `hand_over` and records that it lives on `shard` from now on, as one
    /// step: whoever finds it there queues behind it, and it cannot leave or end there before it is
    /// recorded. `hand_over` must not come back here.
    pub fn transfer<E>(
        &self,
        session: SessionId,
        shard: ShardId,
        hand_over: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let owner = self.shard_by_session.get_mut(&session);
        hand_over()?;
        if let Some(mut owner) = owner {
            *owner = shard;
        }
        Ok(())
    }

    /// Records that `session` talks with `remote`; whether it holds the address now.
    ///
    /// A claim by a session that only sends checks there never displaces another: a peer may signal
    /// somebody else's address. One proven by an authenticated check takes the address over.
    pub fn claim_remote(&self, remote: SocketAddr, session: SessionId, validated: bool) -> bool {
        let mut owner = self.session_by_remote.entry(remote).or_insert(session);
        if validated {
            *owner = session;
        }
        *owner == session
    }

    /// Forgets `session`, its ufrag and those of its `remotes` that nobody took over.
    pub fn remove(
        &self,
        session: SessionId,
        local_ufrag: &str,
        remotes: impl Iterator<Item = SocketAddr>,
    ) {
        self.shard_by_session.remove(&session);
        self.session_by_ufrag.remove_if(local_ufrag, |_, owner| *owner == session);
        for remote in remotes {
            self.session_by_remote.remove_if(&remote, |_, owner| *owner == session);
        }
    }

    /// The shard on which `session` lives.
    pub fn shard_of(&self, session: SessionId) -> Option<ShardId> {
        self.shard_by_session.get(&session).map(|entry| *entry)
    }

    /// The session that a Binding request with this local ufrag is meant for.
    pub fn session_of_ufrag(&self, local_ufrag: &str) -> Option<SessionId> {
        self.session_by_ufrag.get(local_ufrag).map(|entry| *entry)
    }

    /// The session that talks with `remote`.
    pub fn session_of_remote(&self, remote: &SocketAddr) -> Option<SessionId> {
        self.session_by_remote.get(remote).map(|owner| *owner)
    }

    /// Where `conference` has sessions; the same object for all shards.
    pub fn presence(&self, conference: ConferenceId) -> Arc<Presence> {
        Arc::clone(&self.presences.entry(conference).or_default())
    }

    /// Forgets where `conference` has sessions, unless another shard still knows the conference.
    /// Whoever calls has given up its own share before.
    pub fn release_presence(&self, conference: ConferenceId) {
        self.presences.remove_if(&conference, |_, presence| Arc::strong_count(presence) == 1);
    }

    /// How many entries of any kind there are: 0 when every session is gone.
    pub fn len(&self) -> usize {
        self.shard_by_session.len()
            + self.session_by_ufrag.len()
            + self.session_by_remote.len()
            + self.presences.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5000);

    #[test]
    fn an_address_taken_over_stays_with_its_new_session() {
        let directory = Directory::new();
        directory.insert(SessionId(1), ShardId(0), "old");
        directory.insert(SessionId(2), ShardId(1), "new");
        assert!(directory.claim_remote(REMOTE, SessionId(1), true));
        assert!(directory.claim_remote(REMOTE, SessionId(2), true));
        directory.remove(SessionId(1), "old", [REMOTE].into_iter());
        assert_eq!(directory.session_of_remote(&REMOTE), Some(SessionId(2)));
        directory.remove(SessionId(2), "new", [REMOTE].into_iter());
        assert!(directory.is_empty());
    }

    #[test]
    fn a_signalled_address_of_somebody_else_is_not_taken_over() {
        let directory = Directory::new();
        assert!(directory.claim_remote(REMOTE, SessionId(1), true));
        assert!(!directory.claim_remote(REMOTE, SessionId(2), false));
        assert_eq!(directory.session_of_remote(&REMOTE), Some(SessionId(1)));
    }

    #[test]
    fn a_session_is_recorded_where_it_was_given_and_only_if_it_was_taken() {
        let directory = Directory::new();
        directory.insert(SessionId(1), ShardId(0), "ufrag");
        assert_eq!(directory.transfer(SessionId(1), ShardId(1), || Err("full")), Err("full"));
        assert_eq!(directory.shard_of(SessionId(1)), Some(ShardId(0)));
        assert_eq!(directory.transfer::<()>(SessionId(1), ShardId(1), || Ok(())), Ok(()));
        assert_eq!(directory.shard_of(SessionId(1)), Some(ShardId(1)));
        directory.remove(SessionId(1), "ufrag", std::iter::empty());
        assert_eq!(directory.transfer::<()>(SessionId(1), ShardId(0), || Ok(())), Ok(()));
        assert!(directory.is_empty(), "a session that ended is not recorded again");
    }

    #[test]
    fn a_presence_lives_as_long_as_a_shard_knows_the_conference() {
        let directory = Directory::new();
        let (one, other) =
            (directory.presence(ConferenceId(1)), directory.presence(ConferenceId(1)));
        drop(one);
        directory.release_presence(ConferenceId(1));
        assert_eq!(directory.len(), 1);
        drop(other);
        directory.release_presence(ConferenceId(1));
        assert!(directory.is_empty());
    }

    #[test]
    fn presence_names_the_other_shards() {
        let presence = Presence::default();
        presence.set(ShardId(0), true);
        presence.set(ShardId(3), true);
        presence.set(ShardId(5), true);
        presence.set(ShardId(5), false);
        assert_eq!(presence.others(ShardId(0)).collect::<Vec<_>>(), [ShardId(3)]);
    }
}
