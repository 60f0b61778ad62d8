//! Disks of a test's own. Each is mounted for one process and what it starts, in a name space of that process,
//! and is gone with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a program with an empty disk of that size at a folder. It needs no rights, where the system lets anybody
/// have name spaces.
const SMALL: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@""#;

/// Runs a program with the disk in a file at a folder. It needs root's rights.
const FROM_FILE: &str = r#"mount -o loop,errors=remount-ro "$1" "$2" && shift 2 && exec "$@""#;
/// The disk at a folder meets an error: from then on it takes no writes. That is what a disk of this kind does
/// by itself, and what `remount,ro` cannot do to one that has files open for writing.
const BREAKS: &str = r#"of=$(findmnt --noheadings --output SOURCE "$1") &&
    echo "on purpose" > "/sys/fs/ext4/${of##*/}/trigger_fs_error""#;
/// What a person does then: a copy of what is on it is checked and takes its place. One with errors can be
/// mounted for writing only anew.
const MENDED: &str = r#"umount --lazy "$1" && cp "$2" "$3" && { e2fsck -p -f "$3" >&2 || test $? -eq 1; } &&
    mount -o loop "$3" "$1""#;
/// Size of a disk in a file.
const FILE_BYTES: u64 = 64 << 20;

/// A disk for a process that is still to be started.
pub struct Disk {
    folder: PathBuf,
    words: Vec<String>,
    image: Option<PathBuf>,
}

impl Disk {
    /// An empty one of that size at this folder.
    ///
    /// # Errors
    /// Why there can be none here.
    pub fn small(folder: &Path, kib: usize) -> Result<Disk, String> {
        let size = format!("{kib}k");
        let words = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL, "sh", &size, text(folder)];
        Disk { folder: folder.into(), words: words.map(String::from).to_vec(), image: None }.tried()
    }

    /// One that can [break](Self::breaks) at this folder, kept in the file `image`.
    ///
    /// # Errors
    /// Why there can be none here.
    pub fn breakable(folder: &Path, image: &Path) -> Result<Disk, String> {
        File::create(image).and_then(|file| file.set_len(FILE_BYTES)).expect("an image");
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image))?;
        let words = ["unshare", "--mount", "sh", "-c", FROM_FILE, "sh", text(image), text(folder)];
        Disk { folder: folder.into(), words: words.map(String::from).to_vec(), image: Some(image.into()) }.tried()
    }

    fn tried(self) -> Result<Disk, String> {
        let (program, rest) = self.words.split_first().expect("a program");
        run(Command::new(program).args(rest).arg("true"))?;
        Ok(self)
    }

    /// The words that start a program with it.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The folder as that process sees it.
    pub fn seen_by(&self, pid: u32) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}/root{}", self.folder.display()))
    }

    /// That process's disk takes no more writes.
    pub fn breaks(&self, pid: u32) {
        run(entering(pid).args([BREAKS, "sh", text(&self.folder)])).expect("it breaks");
    }

    /// It does again.
    pub fn mended(&self, pid: u32) {
        let image = self.image.as_ref().expect("it is in a file");
        let copy = image.with_extension("copy");
        run(entering(pid).args([MENDED, "sh", text(&self.folder), text(image), text(&copy)])).expect("it is mended");
    }
}

fn entering(pid: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--mount", "sh", "-c"]);
    command
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the test's own")
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("{}: {}: {said}", command.get_program().display(), output.status))
        }
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}
