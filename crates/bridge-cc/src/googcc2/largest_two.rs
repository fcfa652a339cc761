use std::collections::VecDeque;

/// The two largest of a sliding window of numbers, without looking at all of them.
///
/// Keeps what could still be one of the two largest: that of which at most one later number is as
/// large. Each number enters and leaves each list once, so it costs the same however long the window is.
#[derive(Clone, Debug, Default)]
pub(super) struct LargestTwo {
    /// Descending; no later number is as large.
    leading: VecDeque<Numbered>,
    /// Descending; one later number is as large.
    following: VecDeque<Numbered>,
    /// How many numbers ever came.
    pushed: u64,
    /// How many of them left the window.
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Numbered {
    number: i64,
    index: u64,
}

impl LargestTwo {
    /// The newest number of the window.
    pub(super) fn push(&mut self, number: i64) {
        if number <= 0 {
            // As good as none: packets that came together.
            self.pushed += 1;
            return;
        }
        while self.following.back().is_some_and(|last| last.number <= number) {
            self.following.pop_back();
        }
        let overtaken = self.leading.iter().rev().take_while(|it| it.number <= number).count();
        let kept = self.leading.len() - overtaken;
        for overtaken in self.leading.range(kept..) {
            self.following.push_back(*overtaken);
        }
        self.leading.truncate(kept);
        self.leading.push_back(Numbered { number, index: self.pushed });
        self.pushed += 1;
    }

    /// The oldest number leaves the window.
    pub(super) fn drop_oldest(&mut self) {
        self.dropped += 1;
        for list in [&mut self.leading, &mut self.following] {
            if list.front().is_some_and(|first| first.index < self.dropped) {
                list.pop_front();
            }
        }
    }

    /// The window is empty again.
    pub(super) fn clear(&mut self) {
        self.leading.clear();
        self.following.clear();
        self.dropped = self.pushed;
    }

    /// The largest and the second largest; zero for what is not there.
    pub(super) fn get(&self) -> (i64, i64) {
        let number = |it: Option<&Numbered>| it.map_or(0, |it| it.number);
        let second = number(self.leading.get(1)).max(number(self.following.front()));
        (number(self.leading.front()), second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_sorting_the_window_finds(
            steps in prop::collection::vec((0_i64..6, any::<bool>()), 0..200),
        ) {
            let (mut window, mut largest) = (VecDeque::new(), LargestTwo::default());
            for (number, drops) in steps {
                window.push_back(number);
                largest.push(number);
                if drops && window.len() > 1 {
                    window.drain(..2);
                    largest.drop_oldest();
                    largest.drop_oldest();
                }
                let mut sorted: Vec<_> = window.iter().copied().collect();
                sorted.sort_unstable();
                let mut from_top = sorted.into_iter().rev();
                let expected = (from_top.next().unwrap_or(0), from_top.next().unwrap_or(0));
                prop_assert_eq!(largest.get(), expected);
            }
        }
    }

    #[test]
    fn what_was_before_clearing_does_not_count() {
        let mut largest = LargestTwo::default();
        largest.push(9);
        largest.push(8);
        largest.clear();
        largest.push(3);
        assert_eq!(largest.get(), (3, 0));
        largest.drop_oldest();
        assert_eq!(largest.get(), (0, 0));
    }
}
