//! What the processors did, as the system tells it (JVB: `CpuLoadSampler`, `StealDetection`).

/// The first line of `/proc/stat`, in ticks since the start of the system, and the number of
/// processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    /// Neither idle nor waiting for disks nor stolen.
    used: u64,
    /// Used, idle, waiting or stolen.
    counted: u64,
    /// All numbers there are: what JVB takes for the total of which time is stolen.
    all: u64,
    stolen: u64,
    /// Processors of the system; the process may not have all of them.
    pub(crate) processors: usize,
}

impl CpuTimes {
    /// From the text of `/proc/stat`; `None` if it is not what Linux writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let first = lines.next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            first.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
        let [user, nice, system, idle, disk, irq, softirq, stolen, ..] = ticks[..] else {
            return None;
        };
        let sum = |ticks: &[u64]| ticks.iter().fold(0, |sum: u64, tick| sum.saturating_add(*tick));
        let used = sum(&[user, nice, system, irq, softirq]);
        Some(Self {
            used,
            counted: sum(&[used, idle, disk, stolen]),
            all: sum(&ticks),
            stolen,
            processors: lines.take_while(|line| line.starts_with("cpu")).count(),
        })
    }

    /// The share of time since `before` in which the processors worked for this system.
    pub(crate) fn used_since(&self, before: &Self) -> f64 {
        share(self.used.saturating_sub(before.used), self.counted.saturating_sub(before.counted))
    }

    /// The share that the host gave to others.
    pub(crate) fn stolen_since(&self, before: &Self) -> f64 {
        share(self.stolen.saturating_sub(before.stolen), self.all.saturating_sub(before.all))
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "cpu  100 200 300 400 500 600 700 800 900\ncpu0 1\ncpu1 1\nintr 5\n";

    #[test]
    fn shares_are_of_the_time_between() {
        let before = CpuTimes::parse(BEFORE).unwrap();
        assert_eq!(before.processors, 2);
        let after = CpuTimes::parse("cpu  200 300 400 500 600 700 800 900 1000\n").unwrap();
        // The contract's example.
        assert_eq!(after.stolen_since(&before), 1.0 / 9.0);
        assert_eq!(after.used_since(&before), 5.0 / 8.0);
        assert_eq!((before.stolen_since(&before), before.used_since(&before)), (0.0, 0.0));
        assert_eq!((before.stolen_since(&after), before.used_since(&after)), (0.0, 0.0));
    }

    #[test]
    fn other_texts_tell_nothing() {
        for text in ["", "cpu", "cpu 1 2 3 4 5 6 7", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 x 6 7 8"]
        {
            assert_eq!(CpuTimes::parse(text), None, "{text:?}");
        }
    }
}
