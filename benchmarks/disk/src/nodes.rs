//! The files and folders that the kernel knows, and those that are open.
//!
//! A node holds on to a file, not to a name: a name that the kernel remembers leads to the same file even if another
//! mount has replaced or removed it, as a client of NFS sees it.

use crate::faults::lock;
use fuser::{Errno, FileAttr, FileHandle, FileType, INodeNo};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// All nodes and open files of a mount.
#[derive(Debug)]
pub(crate) struct Nodes {
    root: Arc<Node>,
    /// By the number of the file in the folder's own file system.
    known: Mutex<HashMap<u64, (Arc<Node>, u64)>>,
    open: Mutex<(u64, HashMap<u64, Arc<File>>)>,
}

/// A file or folder, whatever its name is by now.
#[derive(Debug)]
pub(crate) struct Node(OwnedFd);

impl Node {
    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// A path that leads to the file itself.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// The path of a name in this folder.
    pub(crate) fn child(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }

    /// The path that it has now.
    pub(crate) fn name(&self) -> PathBuf {
        fs::read_link(self.path()).unwrap_or_default()
    }

    /// Gives the file another name.
    pub(crate) fn link(&self, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::linkat(CWD, self.path(), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Where a link leads. The folder's own links are not followed, since an empty path names the node itself.
    pub(crate) fn target(&self) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.0, "", Vec::new())?.into_bytes())
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        let stat = File::from(self.0.try_clone()?);
        stat.metadata()
    }
}

impl Nodes {
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let root = Arc::new(Node::open(folder)?);
        Ok(Self { root, known: Mutex::default(), open: Mutex::default() })
    }

    pub(crate) fn node(&self, number: INodeNo) -> Result<Arc<Node>, Errno> {
        if number == INodeNo::ROOT {
            return Ok(Arc::clone(&self.root));
        }
        lock(&self.known).get(&number.0).map(|(node, _)| Arc::clone(node)).ok_or(Errno::ESTALE)
    }

    /// Makes what lies at this path known once more.
    pub(crate) fn enter(&self, path: &Path) -> Result<FileAttr, Errno> {
        let node = Node::open(path)?;
        let metadata = node.metadata()?;
        let mut known = lock(&self.known);
        known.entry(metadata.ino()).or_insert_with(|| (Arc::new(node), 0)).1 += 1;
        Ok(attributes(&metadata))
    }

    pub(crate) fn forget(&self, number: INodeNo, times: u64) {
        let mut known = lock(&self.known);
        if let Some((_, count)) = known.get_mut(&number.0) {
            *count = count.saturating_sub(times);
            if *count == 0 {
                known.remove(&number.0);
            }
        }
    }

    pub(crate) fn attributes(&self, number: INodeNo) -> Result<FileAttr, Errno> {
        let attributes = attributes(&self.node(number)?.metadata()?);
        Ok(FileAttr { ino: number, ..attributes })
    }

    /// Keeps an open file.
    pub(crate) fn keep(&self, file: File) -> FileHandle {
        let mut open = lock(&self.open);
        open.0 += 1;
        let handle = open.0;
        open.1.insert(handle, Arc::new(file));
        FileHandle(handle)
    }

    pub(crate) fn file(&self, handle: FileHandle) -> Result<Arc<File>, Errno> {
        lock(&self.open).1.get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    pub(crate) fn close(&self, handle: FileHandle) {
        lock(&self.open).1.remove(&handle.0);
    }
}

/// What the kernel is told of a file.
fn attributes(found: &Metadata) -> FileAttr {
    let time = |seconds: i64, rest: i64| -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds.try_into().unwrap_or(0), rest.try_into().unwrap_or(0))
    };
    FileAttr {
        ino: INodeNo(found.ino()),
        size: found.size(),
        blocks: found.blocks(),
        atime: time(found.atime(), found.atime_nsec()),
        mtime: time(found.mtime(), found.mtime_nsec()),
        ctime: time(found.ctime(), found.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: FileType::from_std(found.file_type()).unwrap_or(FileType::RegularFile),
        perm: (found.permissions().mode() & 0o7777) as u16,
        nlink: found.nlink() as u32,
        uid: found.uid(),
        gid: found.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
