/// State by SSRC with a limit, least recently used out first.
///
/// A sorted index with binary search instead of a hash table: the peer chooses the SSRCs, and
/// this has no bad case for any choice. Packets come in runs of one SSRC, which a remembered
/// position answers at once.
pub(crate) struct StreamTable<T> {
    streams: Vec<Stream<T>>,
    capacity: usize,
    uses: u64,
    last: usize,
}

struct Stream<T> {
    ssrc: u32,
    last_used: u64,
    state: T,
}

impl<T> StreamTable<T> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { streams: Vec::new(), capacity, uses: 0, last: 0 }
    }

    /// The state of `ssrc`, now the most recently used.
    pub(crate) fn get_mut(&mut self, ssrc: u32) -> Option<&mut T> {
        let at = self.position(ssrc)?;
        self.last = at;
        self.uses += 1;
        let stream = self.streams.get_mut(at)?;
        stream.last_used = self.uses;
        Some(&mut stream.state)
    }

    /// The state of `ssrc`, without counting as a use: its packet may be forged.
    pub(crate) fn peek(&mut self, ssrc: u32) -> Option<&T> {
        self.last = self.position(ssrc)?;
        self.streams.get(self.last).map(|stream| &stream.state)
    }

    /// Adds a stream that is not in the table. When it is full, the least recently used one that
    /// `may_evict` goes; without such a one the state is handed back.
    pub(crate) fn insert(
        &mut self,
        ssrc: u32,
        state: T,
        may_evict: impl Fn(&T) -> bool,
    ) -> Result<(), T> {
        if self.streams.len() >= self.capacity {
            let oldest = self
                .streams
                .iter()
                .enumerate()
                .filter(|(_, stream)| may_evict(&stream.state))
                .min_by_key(|(_, stream)| stream.last_used)
                .map(|(at, _)| at);
            let Some(oldest) = oldest else { return Err(state) };
            self.streams.remove(oldest);
        }
        self.uses += 1;
        let at = self.streams.partition_point(|stream| stream.ssrc < ssrc);
        self.streams.insert(at, Stream { ssrc, last_used: self.uses, state });
        self.last = at;
        Ok(())
    }

    pub(crate) const fn len(&self) -> usize {
        self.streams.len()
    }

    fn position(&self, ssrc: u32) -> Option<usize> {
        match self.streams.get(self.last) {
            Some(stream) if stream.ssrc == ssrc => Some(self.last),
            _ => self.streams.binary_search_by_key(&ssrc, |stream| stream.ssrc).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_recently_used_goes_first() {
        let mut table = StreamTable::new(3);
        for ssrc in [30, 10, 20] {
            assert_eq!(table.insert(ssrc, ssrc, |_| true), Ok(()));
        }
        assert_eq!(table.get_mut(30).copied(), Some(30));
        assert_eq!(table.insert(5, 5, |_| true), Ok(()));
        assert_eq!(table.peek(10), None);
        assert_eq!(table.len(), 3);
        for ssrc in [5, 20, 30] {
            assert_eq!(table.get_mut(ssrc).copied(), Some(ssrc));
        }
    }

    #[test]
    fn state_that_must_stay_stays() {
        let mut table = StreamTable::new(2);
        assert_eq!(table.insert(1, true, |_| true), Ok(()));
        assert_eq!(table.insert(2, false, |_| true), Ok(()));
        assert_eq!(table.insert(3, true, |must_stay| !must_stay), Ok(()));
        assert_eq!(table.peek(2), None);
        assert_eq!(table.insert(4, false, |must_stay| !must_stay), Err(false));
        assert_eq!(table.peek(1), Some(&true));
    }
}
