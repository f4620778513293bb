//! What the repository keeps of earlier runs: inputs that broke a reader, and small ones that lead far into it.

use crate::Target;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most that a target's corpus may take in the repository, in bytes.
const LARGEST: usize = 16 << 10;

/// No input of a corpus is longer.
const LONGEST: u64 = 4 << 10;

impl Target {
    /// The inputs that were found earlier, with their file names. They are as the reader gets them.
    pub fn finds(&self) -> Vec<(String, Vec<u8>)> {
        files_of(&folder("finds").join(self.name))
    }

    /// All inputs to begin with: the seeds, and what is kept of earlier runs. They are as before [`Self::pack`].
    ///
    /// # Panics
    ///
    /// When the seeds in the repository are missing, or the file of those that are kept cannot be read.
    pub(crate) fn all_seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = (self.seeds)();
        assert!(seeds.iter().any(|seed| !seed.is_empty()), "the seeds of {} are missing", self.name);
        let file = self.corpus();
        if file.exists() {
            seeds.extend(unpack(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display())));
        }
        seeds
    }

    /// Keeps the shortest inputs of a folder, as many as fit; says how many. The file is the same for the same inputs.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, or the file not written.
    pub(crate) fn keep(&self, from: &Path) -> io::Result<usize> {
        let seeds = (self.seeds)();
        let mut inputs = files_of(from);
        inputs.retain(|(_, input)| input.len() as u64 <= LONGEST && !input.is_empty() && !seeds.contains(input));
        inputs.sort_by_key(|(name, input)| (input.len(), name.clone()));
        let mut packed = pack(&inputs)?;
        while packed.len() > LARGEST {
            inputs.truncate(inputs.len() * 9 / 10);
            packed = pack(&inputs)?;
        }
        fs::create_dir_all(folder("corpus"))?;
        fs::write(self.corpus(), packed)?;
        Ok(inputs.len())
    }

    fn corpus(&self) -> PathBuf {
        folder("corpus").join(format!("{}.tar.gz", self.name))
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder by name.
fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries
        .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).ok()?)));
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

fn pack(inputs: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best()));
    for (at, (_, input)) in inputs.iter().enumerate() {
        let mut header = tar::Header::new_ustar();
        header.set_size(input.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{at:04}"), input.as_slice())?;
    }
    archive.into_inner()?.finish()
}

fn unpack(file: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(file)?));
    let input = |entry: io::Result<tar::Entry<'_, _>>| {
        let mut input = Vec::new();
        entry?.read_to_end(&mut input)?;
        Ok(input)
    };
    archive.entries()?.map(input).collect()
}
