use std::fs;
use std::time::Duration;

/// What a process has used so far, from `/proc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// CPU time of all its threads, in nanoseconds of accuracy.
    pub(crate) cpu: Duration,
    /// CPU time of the thread that used most.
    pub(crate) busiest: Duration,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
}

impl ProcessUsage {
    /// Of the process `pid`; `None` if there is none (any more).
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::read(&format!("/proc/{pid}"))
    }

    /// Of the generator itself.
    pub(crate) fn of_self() -> Option<Self> {
        Self::read("/proc/self")
    }

    fn read(directory: &str) -> Option<Self> {
        let mut usage = Self::default();
        for thread in fs::read_dir(format!("{directory}/task")).ok()? {
            // A thread may end while it is read.
            let Ok(thread) = thread else { continue };
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let Some(cpu) = cpu_of_schedstat(&text) else { continue };
            usage.cpu += cpu;
            usage.busiest = usage.busiest.max(cpu);
        }
        let status = fs::read_to_string(format!("{directory}/status")).ok()?;
        usage.resident = resident_of_status(&status)?;
        Some(usage)
    }
}

/// Time on a CPU is the first number.
fn cpu_of_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// A line says it in kilobytes (of 1,024).
fn resident_of_status(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        assert_eq!(cpu_of_schedstat("1500 20 3\n"), Some(Duration::from_nanos(1_500)));
        assert_eq!(cpu_of_schedstat(""), None);
        let status = "VmHWM:\t  99 kB\nVmRSS:\t      42 kB\n";
        assert_eq!(resident_of_status(status), Some(42 * 1024));
        assert_eq!(resident_of_status("VmRSS:\n"), None);
    }

    #[test]
    fn own_usage_grows_and_strangers_have_none() {
        let before = ProcessUsage::of_self().unwrap();
        let mut work = crate::random::Sequence::new(1);
        let mut sum = 0_u64;
        while ProcessUsage::of_self().unwrap().cpu <= before.cpu {
            sum = (0..100_000).fold(sum, |sum, _| sum.wrapping_add(work.next()));
        }
        assert!(before.resident > 100_000 && sum != 0);
        assert_eq!(ProcessUsage::of(u32::MAX), None);
    }
}
