//! Several devices by one name: `cuda:0,1,2`, `cuda:all`.

use super::open_cuda;
use crate::{Error, Result};
use tch::Cuda;

const EXPECTED: &str = "`cpu`, `cuda:N`, several as in `cuda:0,1,2`, or `cuda:all`";

/// The names of the devices that `text` stands for, each once: `cpu`, `cuda:0`, `cuda:1`, ….
///
/// GPUs are counted as libtorch sees them, that is after `CUDA_VISIBLE_DEVICES`, which queues set.
///
/// # Errors
///
/// When `text` is not such a name, `libtorch_cuda` is missing or cannot be opened, or there is no such device.
pub fn named(text: &str) -> Result<Vec<String>> {
    chosen(text, || {
        open_cuda()?;
        Ok(usize::try_from(Cuda::device_count()).unwrap_or(0))
    })
}

/// The same, given how many GPUs are visible, which is asked only if it matters.
fn chosen(text: &str, visible: impl FnOnce() -> Result<usize>) -> Result<Vec<String>> {
    let no_name = || Error::new(format!("there is no device `{text}`")).expected(EXPECTED);
    if text == "cpu" {
        return Ok(vec!["cpu".to_owned()]);
    }
    let gpus = match text.strip_prefix("cuda") {
        Some("") => Some(vec![0]),
        Some(":all") => None,
        Some(rest) => Some(numbers(text, rest.strip_prefix(':').ok_or_else(no_name)?)?),
        None => return Err(no_name()),
    };
    let visible = visible()?;
    if visible == 0 {
        return Err(Error::new(format!("there is no device `{text}`: libtorch sees no GPU"))
            .help("`nvidia-smi` shows whether there is one and whether its driver works"));
    }
    let gpus = gpus.unwrap_or_else(|| (0..visible).collect());
    if let Some(gpu) = gpus.iter().find(|gpu| **gpu >= visible) {
        let there = match visible {
            1 => "`cpu`, or `cuda:0`, the only GPU that is visible".to_owned(),
            _ => format!("`cpu`, or some of `cuda:0` to `cuda:{}`, the {visible} GPUs that are visible", visible - 1),
        };
        let error = Error::new(format!("there is no device `cuda:{gpu}`")).expected(there);
        let is_set = std::env::var_os("CUDA_VISIBLE_DEVICES").is_some();
        return Err(if is_set { error.help("CUDA_VISIBLE_DEVICES is set; GPUs are counted within it") } else { error });
    }
    Ok(gpus.iter().map(|gpu| format!("cuda:{gpu}")).collect())
}

/// The numbers of a list with commas, each of which may have the word `cuda:` again.
fn numbers(text: &str, list: &str) -> Result<Vec<usize>> {
    let mut gpus = Vec::new();
    for item in list.split(',') {
        let number = item.strip_prefix("cuda:").unwrap_or(item);
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let gpu = number.parse().ok().filter(|_| digits).ok_or_else(|| {
            Error::new(format!("`{item}` in the device `{text}` is not the number of a GPU")).expected(EXPECTED)
        })?;
        if gpus.contains(&gpu) {
            return Err(Error::new(format!("the device `{text}` names GPU {gpu} twice"))
                .expected("each GPU once")
                .help("`--jobs N` starts more workers than there are GPUs, which then share them"));
        }
        gpus.push(gpu);
    }
    Ok(gpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, visible: usize) -> String {
        chosen(text, || Ok(visible)).map_or_else(|error| error.to_string(), |names| names.join(" "))
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(of("cpu", 0), "cpu");
        assert_eq!(of("cuda", 2), "cuda:0");
        assert_eq!(of("cuda:1", 2), "cuda:1");
        assert_eq!(of("cuda:2,0", 3), "cuda:2 cuda:0");
        assert_eq!(of("cuda:0,cuda:1", 2), "cuda:0 cuda:1");
        assert_eq!(of("cuda:all", 3), "cuda:0 cuda:1 cuda:2");
    }

    #[test]
    fn a_cpu_needs_no_cuda() {
        assert!(chosen("cpu", || unreachable!("nobody asks for GPUs")).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        insta::assert_snapshot!(of("cuda:0,3", 2), @r"
        there is no device `cuda:3`
          expected: `cpu`, or some of `cuda:0` to `cuda:1`, the 2 GPUs that are visible
        ");
        insta::assert_snapshot!(of("cuda:1", 1), @r"
        there is no device `cuda:1`
          expected: `cpu`, or `cuda:0`, the only GPU that is visible
        ");
        insta::assert_snapshot!(of("cuda:1,1", 2), @r"
        the device `cuda:1,1` names GPU 1 twice
          expected: each GPU once
          help: `--jobs N` starts more workers than there are GPUs, which then share them
        ");
        insta::assert_snapshot!(of("cuda:0,", 2), @r"
        `` in the device `cuda:0,` is not the number of a GPU
          expected: `cpu`, `cuda:N`, several as in `cuda:0,1,2`, or `cuda:all`
        ");
        insta::assert_snapshot!(of("cuda:all", 0), @r"
        there is no device `cuda:all`: libtorch sees no GPU
          help: `nvidia-smi` shows whether there is one and whether its driver works
        ");
        for wrong in
            ["", "CPU", "gpu", "cuda0", "cpu,cuda:0", "cuda:-1", "cuda:+1", "cuda:0,all", "cuda:99999999999999999999"]
        {
            assert!(chosen(wrong, || Ok(4)).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(cuda|cpu)?[:,0-9a-z+ -]{0,12}", visible in 0_usize..5) {
            if let Ok(names) = chosen(&text, || Ok(visible)) {
                let mut once = names.clone();
                once.sort();
                once.dedup();
                prop_assert_eq!(once.len(), names.len());
                prop_assert!(!names.is_empty());
                for name in names {
                    let gpu = name.strip_prefix("cuda:").map(|gpu| gpu.parse::<usize>().unwrap());
                    prop_assert!(gpu.map_or(name == "cpu", |gpu| gpu < visible));
                }
            }
        }
    }
}
