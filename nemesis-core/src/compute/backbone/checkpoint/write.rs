//! Writing tensors as `torch.save` does: a zip archive of a pickle that names types and shapes, and their bytes.

use super::CLASSES;
use crate::{Error, Result};
use std::io::{Cursor, Write};
use tch::{Device, Kind, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The version of the archive's format, which `torch.load` asks for.
const VERSION: &[u8] = b"3\n";

/// Where `PyTorch` wants the bytes of storages to begin, so that they can be mapped into memory.
const ALIGNMENT: u16 = 64;

/// The bytes of `torch.save({"state_dict": {name: tensor, …}, "epoch": epoch}, file)`, with the class names as a list
/// `classes` beside them if there are any.
///
/// Only what `torch.load(weights_only=True)` accepts is in it: dictionaries, texts, numbers and tensors. Equal tensors
/// give equal bytes.
///
/// # Errors
///
/// When a tensor has a type that is not written.
pub(crate) fn torch_archive(tensors: &[(String, Tensor)], epoch: u64, classes: &[String]) -> Result<Vec<u8>> {
    let mut pickle = Writer(vec![0x80, 2]);
    let mut storages = Vec::with_capacity(tensors.len());
    pickle.0.extend(b"}(");
    pickle.text("state_dict");
    pickle.0.extend(b"}(");
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        pickle.text(name);
        pickle.tensor(&tensor, &i.to_string()).map_err(|e| e.context(format!("tensor `{name}`")))?;
        let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        storages.push(bytes);
    }
    pickle.0.push(b'u');
    pickle.text("epoch");
    pickle.int(epoch as i64);
    if !classes.is_empty() {
        pickle.text(CLASSES);
        pickle.0.extend(b"](");
        for class in classes {
            pickle.text(class);
        }
        pickle.0.push(b'e');
    }
    pickle.0.extend(b"u.");

    let failed = |e: &dyn std::fmt::Display| Error::new(format!("cannot write a checkpoint: {e}"));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // The earliest time that an archive can hold, in place of today's: equal tensors are to give equal bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .with_alignment(ALIGNMENT);
    let mut file = |name: &str, bytes: &[u8]| -> Result<()> {
        zip.start_file(format!("archive/{name}"), options).map_err(|e| failed(&e))?;
        zip.write_all(bytes).map_err(|e| failed(&e))
    };
    file("data.pkl", &pickle.0)?;
    file("byteorder", b"little")?;
    for (i, bytes) in storages.iter().enumerate() {
        file(&format!("data/{i}"), bytes)?;
    }
    file("version", VERSION)?;
    Ok(zip.finish().map_err(|e| failed(&e))?.into_inner())
}

/// A pickle of protocol 2 that is being written.
struct Writer(Vec<u8>);

impl Writer {
    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn int(&mut self, int: i64) {
        if let Ok(short) = i32::try_from(int) {
            self.0.push(b'J');
            self.0.extend(short.to_le_bytes());
        } else {
            self.0.extend([0x8a, 8]);
            self.0.extend(int.to_le_bytes());
        }
    }

    fn ints(&mut self, ints: &[i64]) {
        self.0.push(b'(');
        for int in ints {
            self.int(*int);
        }
        self.0.push(b't');
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
    }

    /// `_rebuild_tensor_v2(storage, 0, sizes, strides, False, OrderedDict())` of a contiguous tensor.
    fn tensor(&mut self, tensor: &Tensor, file: &str) -> Result<()> {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.push(b'(');
        self.0.push(b'(');
        self.text("storage");
        self.global("torch", storage_class(tensor.kind())?);
        self.text(file);
        self.text("cpu");
        self.int(tensor.numel() as i64);
        self.0.extend(b"tQ");
        self.int(0);
        self.ints(&tensor.size());
        self.ints(&tensor.stride());
        self.0.push(0x89);
        self.global("collections", "OrderedDict");
        self.0.extend(b")RtR");
        Ok(())
    }
}

fn storage_class(kind: Kind) -> Result<&'static str> {
    Ok(match kind {
        Kind::Half => "HalfStorage",
        Kind::BFloat16 => "BFloat16Storage",
        Kind::Float => "FloatStorage",
        Kind::Double => "DoubleStorage",
        Kind::Int64 => "LongStorage",
        other => return Err(Error::new(format!("its type {other:?} is not written to checkpoints"))),
    })
}
