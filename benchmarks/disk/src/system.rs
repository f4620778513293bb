//! What the kernel asks for, passed on to the folder.

use crate::faults::Faults;
use crate::nodes::Nodes;
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenAccMode,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirEntryExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file system behind a mount.
#[derive(Debug)]
pub(crate) struct System {
    folder: PathBuf,
    nodes: Nodes,
    lag: Duration,
    faults: Arc<Faults>,
}

impl System {
    pub(crate) fn new(folder: &Path, lag: Duration, faults: Arc<Faults>) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        Ok(Self { nodes: Nodes::new(&folder)?, folder, lag, faults })
    }

    /// Refuses the write, or counts it. It is named by the folder it happens in, since many names are temporary.
    fn strike(&self, what: &str, folder: &Path) -> Result<(), Errno> {
        let folder = folder.strip_prefix(&self.folder).unwrap_or(folder);
        self.faults
            .strike(|| format!("{what} {}", if folder == Path::new("") { Path::new(".") } else { folder }.display()))
    }

    /// The path of a name in a folder, about to be written.
    fn write_to(&self, what: &str, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        let folder = self.nodes.node(parent)?;
        self.strike(what, &folder.name())?;
        Ok(folder.child(name))
    }

    fn opened(&self, path: &Path, flags: OFlags, mode: u32) -> Result<FileHandle, Errno> {
        let file = rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode));
        Ok(self.nodes.keep(File::from(file.map_err(io::Error::from)?)))
    }

    fn enter(&self, reply: ReplyEntry, path: Result<PathBuf, Errno>) {
        match path.and_then(|path| self.nodes.enter(&path)) {
            Ok(found) => reply.entry(&self.lag, &found, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn change(
        &self,
        number: INodeNo,
        mode: Option<u32>,
        size: Option<u64>,
        times: &Timestamps,
    ) -> Result<FileAttr, Errno> {
        let node = self.nodes.node(number)?;
        if let Some(mode) = mode {
            fs::set_permissions(node.path(), Permissions::from_mode(mode & 0o7777))?;
        }
        if let Some(size) = size {
            File::options().write(true).open(node.path())?.set_len(size)?;
        }
        if [times.last_access, times.last_modification].iter().any(|time| time.tv_nsec != UTIME_OMIT) {
            rustix::fs::utimensat(CWD, node.path(), times, AtFlags::empty()).map_err(io::Error::from)?;
        }
        self.nodes.attributes(number)
    }

    /// The names in a folder, with the numbers and kinds of what they lead to.
    fn listing(&self, number: INodeNo) -> Result<Vec<(u64, FileType, std::ffi::OsString)>, Errno> {
        let mut listing =
            vec![(number.0, FileType::Directory, ".".into()), (number.0, FileType::Directory, "..".into())];
        for entry in fs::read_dir(self.nodes.node(number)?.path())? {
            let entry = entry?;
            let kind = FileType::from_std(entry.file_type()?).unwrap_or(FileType::RegularFile);
            listing.push((entry.ino(), kind, entry.file_name()));
        }
        Ok(listing)
    }
}

fn done(reply: ReplyEmpty, outcome: Result<(), Errno>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn timespec(time: Option<TimeOrNow>) -> Timespec {
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(TimeOrNow::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(TimeOrNow::SpecificTime(time)) => {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Timespec { tv_sec: since.as_secs() as i64, tv_nsec: i64::from(since.subsec_nanos()) }
        }
    }
}

impl Filesystem for System {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.nodes.node(parent).and_then(|folder| self.nodes.enter(&folder.child(name))) {
            Ok(found) => reply.entry(&self.lag, &found, Generation(0)),
            // Number 0 says that there is no such name, and that this may be remembered.
            Err(error) if i32::from(error) == i32::from(Errno::ENOENT) && !self.lag.is_zero() => {
                let root = self.nodes.attributes(INodeNo::ROOT);
                let Ok(root) = root else { return reply.error(error) };
                reply.entry(&self.lag, &FileAttr { ino: INodeNo(0), ..root }, Generation(0));
            }
            Err(error) => reply.error(error),
        }
    }

    fn forget(&self, _: &Request, number: INodeNo, times: u64) {
        self.nodes.forget(number, times);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.nodes.attributes(number) {
            Ok(found) => reply.attr(&self.lag, &found),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let times = Timestamps { last_access: timespec(accessed), last_modification: timespec(modified) };
        match self.faults.check_writable().and_then(|()| self.change(number, mode, size, &times)) {
            Ok(found) => reply.attr(&self.lag, &found),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        match self.nodes.node(number).and_then(|node| Ok(node.target()?)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.write_to("create a folder in", parent, name).and_then(|path| {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(mode & !umask & 0o7777))?;
            Ok(path)
        });
        self.enter(reply, made);
    }

    fn symlink(&self, _: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let made = self.write_to("link in", parent, name).and_then(|path| {
            std::os::unix::fs::symlink(target, &path)?;
            Ok(path)
        });
        self.enter(reply, made);
    }

    fn link(&self, _: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let made = self.write_to("link in", parent, name).and_then(|path| {
            self.nodes.node(number)?.link(&path)?;
            Ok(path)
        });
        self.enter(reply, made);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let remove = || Ok(fs::remove_file(self.nodes.node(parent)?.child(name))?);
        done(reply, self.faults.check_writable().and_then(|()| remove()));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let remove = || Ok(fs::remove_dir(self.nodes.node(parent)?.child(name))?);
        done(reply, self.faults.check_writable().and_then(|()| remove()));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        other: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.write_to("rename in", other, new).and_then(|to| {
            let from = self.nodes.node(parent)?.child(name);
            let flags = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
            Ok(rustix::fs::renameat_with(CWD, from, CWD, to, flags).map_err(io::Error::from)?)
        });
        done(reply, renamed);
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let access = match flags.acc_mode() {
            OpenAccMode::O_RDONLY => OFlags::RDONLY,
            OpenAccMode::O_WRONLY => OFlags::WRONLY,
            OpenAccMode::O_RDWR => OFlags::RDWR,
        };
        let opened = self.nodes.node(number).and_then(|node| {
            if access != OFlags::RDONLY {
                self.faults.check_writable()?;
            }
            // Where in the file is written the kernel says each time, so that O_APPEND must not reach the file.
            self.opened(&node.path(), access, 0)
        });
        match opened {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.write_to("create in", parent, name).and_then(|path| {
            let exclusive = OFlags::from_bits_retain(flags as u32) & (OFlags::EXCL | OFlags::TRUNC);
            let handle = self.opened(&path, OFlags::CREATE | OFlags::RDWR | exclusive, mode & !umask)?;
            Ok((handle, self.nodes.enter(&path)?))
        });
        match created {
            Ok((handle, found)) => reply.created(&self.lag, &found, Generation(0), handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.nodes.file(handle).and_then(|file| {
            let mut bytes = vec![0; size as usize];
            let mut filled = 0;
            while filled < bytes.len() {
                match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                    0 => break,
                    more => filled += more,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.nodes.file(handle).and_then(|file| {
            self.strike("write in", folder_of(&file).as_path())?;
            Ok(file.write_all_at(data, offset)?)
        });
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.nodes.close(handle);
        reply.ok();
    }

    /// Nothing reaches a real disk: no power is cut here, and every write is in the folder at once.
    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.nodes.file(handle).and_then(|file| self.strike("sync in", folder_of(&file).as_path()));
        done(reply, synced);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let old = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
        reply.opened(FileHandle(0), if self.lag.is_zero() { FopenFlags::empty() } else { old });
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.listing(number) {
            Ok(listing) => {
                for (at, (number, kind, name)) in (1..).zip(listing).skip(offset as usize) {
                    if reply.add(INodeNo(number), at, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.nodes.node(number).and_then(|node| self.strike("sync", &node.name())));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match rustix::fs::statvfs(&self.folder) {
            Ok(at) => reply.statfs(
                at.f_blocks,
                at.f_bfree,
                at.f_bavail,
                at.f_files,
                at.f_ffree,
                at.f_bsize as u32,
                at.f_namemax as u32,
                at.f_frsize as u32,
            ),
            Err(error) => reply.error(io::Error::from(error).into()),
        }
    }
}

/// The folder that an open file lies in.
fn folder_of(file: &File) -> PathBuf {
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
    path.parent().unwrap_or(Path::new("")).to_owned()
}
