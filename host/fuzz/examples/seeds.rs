//! Writes the seeds where `cargo fuzz` is to find them: into a folder for each target, in the folder named.

use std::io;
use std::path::PathBuf;

use jackfield_fuzz::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name a folder, such as target/fuzz"))?;
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds(target)? {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
