use std::fs;
use std::time::Duration;

/// What a process has used so far, from `/proc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// CPU time of all its threads, in nanoseconds of accuracy.
    pub(crate) cpu: Duration,
    /// CPU time of each thread by its id, as far as there is room.
    pub(crate) threads: [(u32, Duration); MAX_THREADS],
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

    /// CPU time since `earlier` of the thread that used most.
    pub(crate) fn busiest_since(&self, earlier: &Self) -> Duration {
        self.threads_since(earlier).max().unwrap_or_default()
    }

    /// CPU time since `earlier` of each thread.
    pub(crate) fn threads_since<'a>(
        &'a self,
        earlier: &'a Self,
    ) -> impl Iterator<Item = Duration> + 'a {
        self.threads.iter().filter(|(id, _)| *id != 0).map(|(id, cpu)| {
            let before = earlier.threads.iter().find(|(known, _)| known == id);
            cpu.saturating_sub(before.map_or(Duration::ZERO, |(_, cpu)| *cpu))
        })
    }

    fn read(directory: &str) -> Option<Self> {
        let mut usage = Self::default();
        let mut slots = usage.threads.iter_mut();
        for thread in fs::read_dir(format!("{directory}/task")).ok()? {
            // A thread may end while it is read.
            let Ok(thread) = thread else { continue };
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let Some(cpu) = cpu_of_schedstat(&text) else { continue };
            usage.cpu += cpu;
            let id = thread.file_name().to_str().and_then(|id| id.parse().ok());
            if let Some((slot, id)) = slots.next().zip(id) {
                *slot = (id, cpu);
            }
        }
        let status = fs::read_to_string(format!("{directory}/status")).ok()?;
        usage.resident = resident_of_status(&status)?;
        Some(usage)
    }
}

/// CPU time of everything on the machine, in hundredths of a second of accuracy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MachineUsage {
    /// Somebody ran.
    pub(crate) busy: Duration,
    /// Somebody would have run, but the host did not let him.
    pub(crate) stolen: Duration,
}

impl MachineUsage {
    /// Since the machine began.
    pub(crate) fn read() -> Option<Self> {
        Self::of_stat(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn of_stat(text: &str) -> Option<Self> {
        let numbers = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> =
            numbers.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let [user, nice, system, _idle, _waiting, irq, softirq, steal, ..] = ticks[..] else {
            return None;
        };
        let time = |ticks: u64| Duration::from_millis(ticks * MILLIS_PER_TICK);
        Some(Self { busy: time(user + nice + system + irq + softirq), stolen: time(steal) })
    }
}

/// The generator has eight.
const MAX_THREADS: usize = 16;
/// USER_HZ is 100 wherever Linux runs today.
const MILLIS_PER_TICK: u64 = 10;

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
    fn the_machine_is_read() {
        let usage = MachineUsage::of_stat("cpu  1 2 3 400 50 6 7 8 0 0\ncpu0 1 2\n").unwrap();
        assert_eq!(usage.busy, Duration::from_millis(190));
        assert_eq!(usage.stolen, Duration::from_millis(80));
        assert_eq!(MachineUsage::of_stat("cpu  1 2 3"), None);
        assert!(MachineUsage::read().unwrap().busy > Duration::ZERO);
    }

    #[test]
    fn the_busiest_thread_is_the_one_that_grew_most() {
        let usage = |a, b| {
            let mut usage = ProcessUsage::default();
            usage.threads[0] = (1, Duration::from_secs(a));
            usage.threads[1] = (2, Duration::from_secs(b));
            usage
        };
        assert_eq!(usage(10, 5).busiest_since(&usage(9, 2)), Duration::from_secs(3));
        assert_eq!(usage(10, 5).busiest_since(&ProcessUsage::default()), Duration::from_secs(10));
    }

    #[test]
    fn own_usage_grows_and_strangers_have_none() {
        let before = ProcessUsage::of_self().unwrap();
        let mut work = crate::random::Sequence::new(1);
        let mut sum = 0_u64;
        while ProcessUsage::of_self().unwrap().cpu <= before.cpu {
            sum = (0..100_000).fold(sum, |sum, _| sum.wrapping_add(work.next()));
        }
        std::hint::black_box(sum);
        assert!(before.resident > 100_000);
        assert_eq!(ProcessUsage::of(u32::MAX), None);
    }
}
