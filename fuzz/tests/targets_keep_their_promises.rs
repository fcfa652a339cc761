//! Every target survives its seeds, what once failed, and simple mutations of both; and every target
//! has its program.

use std::path::{Path, PathBuf};

use bridge_fuzz::TARGETS;

/// Mutations of each input. Fuzzing proper finds more; this needs no more than a test.
const MUTATIONS: usize = 30;

#[test]
fn seeds_are_survived() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        seeds.iter().for_each(|seed| (target.run)(seed));
        (target.run)(&[]);
    }
}

#[test]
fn what_once_failed_is_survived() {
    for target in TARGETS {
        for input in regressions(target.name) {
            (target.run)(&input);
        }
    }
}

#[test]
fn mutations_are_survived() {
    for target in TARGETS {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for input in (target.seeds)().into_iter().chain(regressions(target.name)) {
            for _ in 0..MUTATIONS {
                let mutated = random.mutate(&input);
                (target.run)(&mutated);
            }
        }
    }
}

#[test]
fn every_target_has_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("is readable");
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        let program = std::fs::read_to_string(folder.join(&path)).unwrap_or_default();
        assert!(program.contains(&format!("bridge_fuzz::{}::run", target.name)), "{path}");
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{path} is not built");
    }
    let programs = files(&folder.join("fuzz_targets")).len();
    assert_eq!(programs, TARGETS.len(), "there is a program without a target");
}

fn regressions(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
    files(&folder).into_iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Deterministic (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or_default()
    }

    /// Changes, takes out, repeats or adds a few bytes.
    fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(8)).min(bytes.len());
            let value = self.next().to_le_bytes()[0];
            match self.below(5) {
                0 => bytes.insert(at, value),
                1 if !bytes.is_empty() => drop(bytes.drain(at..end)),
                2 if !bytes.is_empty() => bytes.extend_from_within(at..end),
                3 if !bytes.is_empty() => bytes[at] ^= 1 << (value & 7),
                _ if !bytes.is_empty() => bytes[at] = value,
                _ => {}
            }
        }
        bytes
    }
}
