//! Writes the seeds of every target below the folder that is named, and lists the targets.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the list is what is asked for")]

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(std::io::Error::other("usage: write-seeds FOLDER"));
    };
    for target in bridge_fuzz::TARGETS {
        let folder = folder.join(target.name).join("seeds");
        std::fs::create_dir_all(&folder)?;
        for (n, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
