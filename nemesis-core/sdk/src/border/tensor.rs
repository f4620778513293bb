//! Tensors, and the codes of devices, types and class positions.

use crate::{ClassPosition, Error, Result};
use nemesis_abi as abi;
use tch::{Device, Kind, Tensor};

/// Lends a tensor to the other side for the length of a call.
pub fn borrow(tensor: &Tensor) -> abi::Tensor {
    tensor.as_ptr().cast_mut().cast()
}

/// Lends a tensor that may be absent.
pub(super) fn borrow_optional(tensor: Option<&Tensor>) -> abi::Tensor {
    tensor.map_or(std::ptr::null_mut(), borrow)
}

/// A copy of a tensor that the other side lends: it shares storage and autograd node, and outlives the call.
///
/// # Safety
///
/// `tensor` is null or leads to an `at::Tensor`.
///
/// # Errors
///
/// When it is null; the message names `what` it is.
pub unsafe fn copy(tensor: abi::Tensor, what: &str) -> Result<Tensor> {
    if tensor.is_null() {
        return Err(Error::new(format!("the tensor `{what}` is a null pointer")));
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Ok(unsafe { Tensor::clone_from_ptr(tensor.cast()) })
}

/// Hands a tensor over to the other side, which then frees it.
pub fn release(tensor: Tensor) -> abi::Tensor {
    borrow(&std::mem::ManuallyDrop::new(tensor))
}

/// Takes over a tensor that the other side wrote as a result; `None` for null.
///
/// # Safety
///
/// `tensor` is null or leads to an `at::Tensor` that the other side has given up.
pub unsafe fn adopt(tensor: abi::Tensor) -> Option<Tensor> {
    // SAFETY: the caller vouches for it.
    (!tensor.is_null()).then(|| unsafe { Tensor::from_ptr(tensor.cast()) })
}

/// The tensor that a function of the other side writes to its last argument.
///
/// # Safety
///
/// `call` returns a status that the other side made and that is taken over only here. If it is OK, what it has written is null
/// or leads to an `at::Tensor` that the other side has given up.
///
/// # Errors
///
/// What the function's status says, or that it wrote none.
pub unsafe fn written(call: impl FnOnce(*mut abi::Tensor) -> abi::Status) -> Result<Tensor> {
    let mut out = std::ptr::null_mut();
    // SAFETY: the caller vouches for both.
    unsafe {
        super::result(call(&raw mut out))?;
        adopt(out).ok_or_else(|| Error::new("the other side returned no tensor"))
    }
}

/// The code of a class position.
pub fn class_position_code(position: ClassPosition) -> u32 {
    match position {
        ClassPosition::End => abi::CLASS_POSITION_END,
        ClassPosition::Middle => abi::CLASS_POSITION_MIDDLE,
        ClassPosition::Front => abi::CLASS_POSITION_FRONT,
    }
}

/// The class position with this code.
///
/// # Errors
///
/// When there is none.
pub fn class_position(code: u32) -> Result<ClassPosition> {
    match code {
        abi::CLASS_POSITION_END => Ok(ClassPosition::End),
        abi::CLASS_POSITION_MIDDLE => Ok(ClassPosition::Middle),
        abi::CLASS_POSITION_FRONT => Ok(ClassPosition::Front),
        _ => Err(Error::new(format!("no class position has the code {code}"))),
    }
}

pub(super) fn device_code(device: Device) -> (u32, u32) {
    match device {
        Device::Cpu => (abi::DEVICE_CPU, 0),
        Device::Cuda(index) => (abi::DEVICE_CUDA, u32::try_from(index).unwrap_or(u32::MAX)),
        Device::Mps => (abi::DEVICE_MPS, 0),
        Device::Vulkan => (abi::DEVICE_VULKAN, 0),
    }
}

pub(super) fn device(code: u32, index: u32) -> Result<Device> {
    match code {
        abi::DEVICE_CPU => Ok(Device::Cpu),
        abi::DEVICE_CUDA => Ok(Device::Cuda(index as usize)),
        abi::DEVICE_MPS => Ok(Device::Mps),
        abi::DEVICE_VULKAN => Ok(Device::Vulkan),
        _ => Err(Error::new(format!("this side knows no device with the code {code}"))),
    }
}

pub(super) fn kind_code(kind: Kind) -> Result<u32> {
    match kind {
        Kind::Half => Ok(abi::KIND_HALF),
        Kind::Float => Ok(abi::KIND_FLOAT),
        Kind::Double => Ok(abi::KIND_DOUBLE),
        Kind::BFloat16 => Ok(abi::KIND_BFLOAT16),
        _ => Err(Error::new(format!("parameters and features cannot have the type {kind:?}"))),
    }
}

pub(super) fn kind(code: u32) -> Result<Kind> {
    match code {
        abi::KIND_HALF => Ok(Kind::Half),
        abi::KIND_FLOAT => Ok(Kind::Float),
        abi::KIND_DOUBLE => Ok(Kind::Double),
        abi::KIND_BFLOAT16 => Ok(Kind::BFloat16),
        _ => Err(Error::new(format!("this side knows no tensor type with the code {code}"))),
    }
}
