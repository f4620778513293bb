//! Setup against wheels of a few bytes and a Python that is a shell script.

use super::wheels::Wheel;
use super::*;
use std::cell::RefCell;
use std::io::Write;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

const HEADER: &str = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n";

/// A pip that has every wheel of the index.
const PIP: &str = r#"
for word in "$@"; do [ "$last" = --dest ] && dest=$word; last=$word; done
cp "$folder"/index/*.whl "$dest"
"#;

/// A workspace, an index of wheels and a Python, all in one temporary folder.
struct Scene {
    folder: TempDir,
    recipe: Recipe,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace", "index"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut scene = Self { folder, recipe: Recipe { platforms: vec!["any".to_owned()], wheels: Vec::new() } };
        scene.add_wheel(
            "torch==2.11.0",
            &[
                ("torch/include/torch/headeronly/version.h", HEADER),
                ("torch/lib/libtorch_cpu.so", "cpu"),
                ("torch/lib/libtorch_cuda.so", "cuda"),
                ("torch/lib/libtorch.so", "umbrella"),
                ("torch/__init__.py", "python"),
            ],
        );
        scene.add_wheel("nvidia-cuda-runtime==13.0.96", &[("nvidia/cu13/lib/libcudart.so.13", "cudart")]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/setup/fake-python.sh");
        symlink(&script, &scene.folder.path().join("python")).unwrap();
        scene.pip(PIP);
        scene
    }

    fn add_wheel(&mut self, requirement: &str, files: &[(&str, &str)]) {
        let name = requirement.replace('-', "_").replace("==", "-") + "-py3-none-any.whl";
        let path = self.folder.path().join("index").join(name);
        let mut wheel = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, text) in files {
            wheel.start_file(*name, SimpleFileOptions::default()).unwrap();
            wheel.write_all(text.as_bytes()).unwrap();
        }
        wheel.finish().unwrap();
        let sha256 = unpack::sha256(&path).unwrap();
        self.recipe.wheels.push(Wheel { requirement: requirement.to_owned(), sha256 });
    }

    /// Makes Python do this when it is asked for pip, and know of no torch.
    fn pip(&self, commands: &str) {
        self.python(&format!("[ \"$1\" = -m ] || exit 0\n{commands}"));
    }

    /// Makes Python do this.
    fn python(&self, commands: &str) {
        fs::write(self.folder.path().join("behaviour"), commands).unwrap();
    }

    fn setup(&self) -> Setup {
        Setup {
            root: self.folder.path().join("workspace"),
            given: None,
            recipe: Some(self.recipe.clone()),
            options: SetupOptions { cuda: false, python: self.folder.path().join("python") },
        }
    }

    fn run(&self) -> (Result<PathBuf, String>, String) {
        self.run_setup(&self.setup())
    }

    /// Runs a setup; what it said and its failure show no path of this machine.
    fn run_setup(&self, setup: &Setup) -> (Result<PathBuf, String>, String) {
        let said = RefCell::new(Vec::new());
        let result = setup.run(&|line| said.borrow_mut().push(line.to_owned() + "\n"));
        let folder = self.folder.path().display().to_string();
        let result = result.map_err(|failure| failure.to_string().replace(&folder, "…"));
        (result, said.into_inner().concat().replace(&folder, "…"))
    }

    /// The files of the workspace, links with what they point to.
    fn files(&self) -> Vec<String> {
        let root = self.folder.path().join("workspace");
        let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = entry.strip_prefix(&root).unwrap().display();
                if let Ok(target) = fs::read_link(&entry) {
                    files.push(format!("{name} -> {}", target.file_name().unwrap().display()));
                } else if entry.is_dir() {
                    folders.push(entry);
                } else {
                    files.push(name.to_string());
                }
            }
        }
        files.sort();
        files
    }
}

/// A folder that passes for libtorch.
fn fake_libtorch(folder: &Path, header: &str) {
    fs::create_dir_all(folder.join("include/torch/headeronly")).unwrap();
    fs::create_dir_all(folder.join("lib")).unwrap();
    fs::write(folder.join("include/torch/headeronly/version.h"), header).unwrap();
    fs::write(folder.join("lib/libtorch_cpu.so"), "cpu").unwrap();
}

#[test]
fn obtains_libtorch_once() {
    let scene = Scene::new();
    let (result, said) = scene.run();
    assert!(result.is_ok(), "{result:?}");
    insta::assert_snapshot!(said, @r"
    found neither in LIBTORCH nor in Python; downloading it with pip (0.5 GB)
    checking hashes and unpacking
    ready in .libtorch (0 MB, CPU only; `--cuda` adds the CUDA libraries)
    ");
    assert_eq!(
        scene.files(),
        [
            ".libtorch/include/torch/headeronly/version.h",
            ".libtorch/lib/libcudart.so.13",
            ".libtorch/lib/libtorch.so -> libtorch_cpu.so",
            ".libtorch/lib/libtorch_cpu.so",
        ]
    );

    scene.pip("exit 1");
    let (result, said) = scene.run();
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(said, "already there (.libtorch)\n");
}

#[test]
fn refuses_a_file_with_another_hash() {
    let mut scene = Scene::new();
    scene.recipe.wheels[1].sha256 = "0".repeat(64);
    let (result, _) = scene.run();
    let message = result.unwrap_err();
    assert!(
        message.starts_with("error: nvidia_cuda_runtime-13.0.96-py3-none-any.whl is not the expected file"),
        "{message}"
    );
    assert_eq!(scene.files(), [""; 0]);
}

#[test]
fn an_interrupted_setup_is_done_again() {
    let scene = Scene::new();
    let leftover = scene.folder.path().join("workspace/.libtorch-partial-1/libtorch");
    fake_libtorch(&leftover, HEADER);
    let (result, _) = scene.run();
    assert!(result.is_ok(), "{result:?}");
    assert!(scene.files().iter().all(|file| file.starts_with(".libtorch/")), "{:?}", scene.files());
}

#[test]
fn what_was_there_stays_whole_until_it_is_replaced() {
    let scene = Scene::new();
    let setup = scene.setup();
    fake_libtorch(&setup.root.join(FOLDER), HEADER);
    let before = scene.files();
    let partial = setup.partial().unwrap();
    assert!(setup.publish(&partial.path().join("missing")).is_err());
    assert_eq!(scene.files(), before);

    let made = partial.path().join("libtorch");
    fs::create_dir(&made).unwrap();
    fs::write(made.join("new"), "").unwrap();
    setup.publish(&made).unwrap();
    drop(partial);
    assert_eq!(scene.files(), [".libtorch/new"]);
}

#[test]
fn two_setups_at_once_download_once() {
    let scene = Scene::new();
    scene.pip(&format!("echo once >> \"$folder\"/count; sleep 0.2; {PIP}"));
    std::thread::scope(|scope| {
        for setup in [scene.setup(), scene.setup()] {
            scope.spawn(move || setup.run(&|_| {}).unwrap());
        }
    });
    assert_eq!(fs::read_to_string(scene.folder.path().join("count")).unwrap(), "once\n");
}

#[test]
fn failures_of_pip_say_what_to_do_and_leave_nothing() {
    let scene = Scene::new();
    let mut messages = String::new();
    for pip in [
        "echo '/usr/bin/python3: No module named pip' >&2; exit 1",
        "echo 'WARNING: Retrying' >&2; echo 'ERROR: No matching distribution found for torch==2.11.0' >&2; exit 1",
        "echo 'ERROR: Could not install: [Errno 28] No space left on device' >&2; exit 1",
        "exit 0",
    ] {
        scene.pip(pip);
        messages += &(scene.run().0.unwrap_err() + "\n");
        assert_eq!(scene.files(), [""; 0]);
    }
    let mut setup = scene.setup();
    setup.options.python = "no-such-python".into();
    messages += &(scene.run_setup(&setup).0.unwrap_err() + "\n");
    setup.recipe = None;
    messages += &scene.run_setup(&setup).0.unwrap_err();
    insta::assert_snapshot!(messages, @r"
    error: …/python has no pip
      help: install it (Debian, Ubuntu: `apt-get install python3-pip`), or set LIBTORCH to a folder that holds libtorch's `include` and `lib`
    error: pip could not download libtorch 2.11.0: No matching distribution found for torch==2.11.0
      help: check the network and pip's index and proxy (`…/python -m pip config list`), then run the command again; or set LIBTORCH to a folder that holds libtorch's `include` and `lib`
    error: no room on the disk to download libtorch 2.11.0
      help: free 1.2 GB (with --cuda: 7 GB) and run the command again
    error: pip reports success, but downloaded no torch-2.11.0-*.whl
    error: cannot start no-such-python: No such file or directory (os error 2)
      help: install Python 3 with pip, or set LIBTORCH to a folder that holds libtorch's `include` and `lib`
    error: there is no libtorch 2.11.0 to download for this platform
      help: set LIBTORCH to a folder that holds libtorch's `include` and `lib`
    ");
}

#[test]
fn a_libtorch_of_the_users_own_is_linked() {
    let scene = Scene::new();
    let own = scene.folder.path().join("own");
    fake_libtorch(&own, HEADER);
    let setup = Setup { given: Some(own.clone()), ..scene.setup() };
    let (result, said) = scene.run_setup(&setup);
    assert_eq!(result.unwrap(), own);
    assert_eq!(said, "found in LIBTORCH (…/own)\n");
    assert_eq!(scene.files(), [".libtorch -> own"]);

    // Later builds without LIBTORCH find it, and lose it with the folder.
    assert_eq!(scene.run().1, "already there (.libtorch -> …/own)\n");
    fs::remove_dir_all(&own).unwrap();
    assert!(scene.run().1.contains("downloading it with pip"));
}

#[test]
fn another_version_is_not_used() {
    let scene = Scene::new();
    let old = scene.folder.path().join("old");
    fake_libtorch(&old, &HEADER.replace("11", "9"));
    let setup = Setup { given: Some(old.clone()), ..scene.setup() };
    let (result, said) = scene.run_setup(&setup);
    assert_eq!(result.unwrap(), setup.root.join(FOLDER));
    assert!(said.starts_with("LIBTORCH is not used: …/old holds libtorch 2.9.0, but 2.11.0 is needed\n"), "{said}");
}

#[test]
fn the_torch_of_python_is_linked_if_it_loads() {
    let scene = Scene::new();
    let torch = scene.folder.path().join("site-packages/torch");
    fake_libtorch(&torch, HEADER);
    let python = |load: &str| {
        scene.python(&format!("case \"$2\" in *find_spec*) echo '{}' ;; *) {load} ;; esac", torch.display()));
    };
    python("echo 'OSError: libcudart.so.13: cannot open' >&2; exit 1");
    let (result, said) = scene.run();
    assert!(result.is_err());
    assert!(said.starts_with("…/python's torch is not used: libcudart.so.13: cannot open\n"), "{said}");

    python("exit 0");
    let (result, said) = scene.run();
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(said, "found in …/python's torch (…/site-packages/torch)\n");
    assert_eq!(scene.files(), [".libtorch -> torch"]);
}
