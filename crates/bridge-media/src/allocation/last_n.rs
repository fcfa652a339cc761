use std::fmt;

/// How many sources a receiver gets at most. Ordered: no limit is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LastN(u32);

/// Limits by the size of the conference (`load-management.conference-last-n-limits`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceSizeLimits {
    by_size: Vec<(u32, LastN)>,
}

impl LastN {
    /// No limit.
    pub const UNLIMITED: Self = Self(u32::MAX);

    /// A limit of `count` sources.
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// From a number where a negative one is no limit, as clients and the configuration have it.
    pub fn from_signaled(value: i32) -> Self {
        u32::try_from(value).map_or(Self::UNLIMITED, Self)
    }

    /// As clients and the configuration have it: -1 for no limit.
    pub fn to_signaled(self) -> i32 {
        if self == Self::UNLIMITED { -1 } else { i32::try_from(self.0).unwrap_or(i32::MAX) }
    }

    /// Whether one more is allowed after `count` sources.
    pub(super) const fn allows_after(self, count: u32) -> bool {
        count < self.0
    }
}

impl ConferenceSizeLimits {
    /// From pairs of a conference size and the limit from that size on; the last of equal sizes
    /// counts.
    pub fn new(limits: impl IntoIterator<Item = (u32, LastN)>) -> Self {
        let by_size: std::collections::BTreeMap<_, _> = limits.into_iter().collect();
        Self { by_size: by_size.into_iter().collect() }
    }

    /// The limit of the greatest size that is not above `size`.
    pub fn limit(&self, size: usize) -> LastN {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let above = self.by_size.partition_point(|(from, _)| *from <= size);
        let reached = above.checked_sub(1).and_then(|last| self.by_size.get(last));
        reached.map_or(LastN::UNLIMITED, |(_, limit)| *limit)
    }
}

impl fmt::Display for LastN {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_signaled().fmt(f)
    }
}
