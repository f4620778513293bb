//! The page of results and figures for papers. What a browser makes of the page is tested where there is Chromium.

use crate::command::{nemesis, told};
use crate::skipped::skipped;
use crate::synthetic::Synthetic;
use nemesis_bench::results::ELEVEN;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const COOP: (&str, &str) = ("coop", "CoOp");
const PEN: (&str, &str) = ("nemesis-pen", "Nemesis-PEN");

/// Records of two data sets, two methods and two numbers of shots, without images.
fn records(folder: &Path) {
    let mut records = Synthetic::plain(folder);
    for (dataset, accuracy) in [("caltech101", 86.0), ("dtd", 42.0)] {
        records.zero_shot(dataset, accuracy);
        for (method, gain) in [(COOP, 2.0), (PEN, 3.0)] {
            for shots in [1, 16] {
                let mean = accuracy + gain + f64::from(shots) / 4.0;
                records.few_shot(method, dataset, shots, &[mean - 0.5, mean, mean + 0.75]);
            }
        }
    }
    records.save();
}

fn ok(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn page(folder: &Path) -> PathBuf {
    ok(folder, &["report", "--html", "page.html"]);
    folder.join("page.html")
}

/// The data of a page.
fn data(page: &str) -> serde_json::Value {
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    serde_json::from_str(data).unwrap()
}

/// The published average is over eleven data sets, and would be a wrong line beside an average over others.
#[test]
fn the_published_average_stands_beside_one_over_the_same_data_sets() {
    let dashed = |more: Option<&'static str>| {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Synthetic::plain(folder.path());
        for dataset in ELEVEN.into_iter().chain(more) {
            for shots in [1, 16] {
                records.few_shot(COOP, dataset, shots, &[60.0]);
            }
        }
        records.save();
        let data = data(&fs::read_to_string(page(folder.path())).unwrap());
        let figure = &data["questions"][0]["figures"][0];
        assert!(!figure["caption"].as_str().unwrap().contains("zero-shot"), "{figure}");
        figure["svg"].as_str().unwrap().matches("stroke-dasharray").count()
    };
    let (of_eleven, of_twelve) = (dashed(None), dashed(Some("imagenetv2")));
    assert!(of_twelve < of_eleven, "{of_twelve} and {of_eleven}");
}

/// A figure has no place to say that ours were trained otherwise.
#[test]
fn no_published_line_stands_beside_a_changed_protocol() {
    let dashed = |is_changed: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Synthetic::plain(folder.path());
        for shots in [1, 16] {
            records.few_shot(COOP, "dtd", shots, &[60.0]);
        }
        if is_changed {
            records.set.insert("coop.protocol.epochs".to_owned(), serde_json::json!(1));
        }
        records.save();
        let data = data(&fs::read_to_string(page(folder.path())).unwrap());
        let svg = data["questions"][0]["figures"][0]["svg"].as_str().unwrap().to_owned();
        svg.matches("stroke-dasharray").count()
    };
    let (as_published, changed) = (dashed(false), dashed(true));
    assert!(changed < as_published, "{changed} and {as_published}");
}

#[test]
fn the_page_needs_no_network_and_holds_the_numbers_of_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    let page = fs::read_to_string(page(folder.path())).unwrap();
    for address in ["src=\"http", "href=\"http", "url(http", "@import", "fetch("] {
        assert!(!page.contains(address), "{address}");
    }
    let data = data(&page);
    let question = &data["questions"][0];
    // Its backbone is OpenAI's, and CoOp's numbers with it are published.
    let curves = &question["figures"][0];
    assert!(curves["caption"].as_str().unwrap().contains("dashed: published (ape-coop-few-shot)"), "{curves}");
    assert_eq!(curves["svg"].as_str().unwrap().matches("stroke-dasharray").count(), 2, "a line for each data set");
    let table = question["table"].as_str().unwrap();
    let csv = ok(folder.path(), &["report", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let mean = headers.iter().position(|header| header == "mean").unwrap();
    let mut compared = 0;
    for row in reader.records() {
        let value: f64 = row.unwrap()[mean].parse().unwrap();
        assert!(table.contains(&format!(">{value:.1}")), "{value} is not in {table}");
        compared += 1;
    }
    // Two data sets and their average by zero-shot and two methods with two numbers of shots.
    assert_eq!(compared, 15);
    let cells = question["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2 + 2 * 2 * 2 * 3);
    for cell in cells {
        let cell = &data["cells"][cell[0].as_str().unwrap()];
        let (correct, total) = (cell["correct"].as_f64().unwrap(), cell["total"].as_f64().unwrap());
        assert!((cell["accuracy"].as_f64().unwrap() - 100.0 * correct / total).abs() < 0.01, "{cell}");
    }
}

/// Names may hold what HTML and scripts would read as their own.
#[test]
fn names_cannot_end_the_script_or_become_elements() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.few_shot(("coop", "</script><img src=x onerror=alert(1)>"), "dtd", 1, &[40.0]);
    records.save();
    // A seed is missing of three, so that the command ends with 1.
    let output = nemesis(folder.path(), &["report", "--html", "page.html"]).output().unwrap();
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap_or_else(|_| panic!("{}", told(&output)));
    assert_eq!(page.matches("</script>").count(), 2, "the data and the script");
    assert!(!page.contains("<img src=x"));
}

#[test]
fn equal_records_give_equal_figures() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    for format in ["svg", "pdf", "png"] {
        let draw = |to: &str| {
            ok(folder.path(), &["figure", "--format", format, "--dpi", "72", "--to", to]);
            let read = |name| fs::read(folder.path().join(to).join(format!("{name}.{format}"))).unwrap();
            ["few-shot", "few-shot-ranks"].map(read)
        };
        let once = draw("one");
        assert_eq!(once, draw("two"), "{format}");
        let start: &[u8] = match format {
            "svg" => b"<svg ",
            "pdf" => b"%PDF-",
            _ => b"\x89PNG",
        };
        for bytes in once {
            assert!(bytes.starts_with(start), "{format}");
            // Letters are outlines: the file asks for no font.
            assert!(format != "svg" || !String::from_utf8_lossy(&bytes).contains("<text"));
        }
    }
    let unknown = told(&nemesis(folder.path(), &["figure", "--question", "few-shots"]).output().unwrap());
    assert!(unknown.contains("error: there is no question `few-shots` here"), "{unknown}");
    let output = nemesis(folder.path(), &["figure", "norm-curve"]).output().unwrap();
    insta::assert_snapshot!(told(&output), @r"
    exit code 2
    --- stdout
    --- stderr
    error: no table here is drawn as norm-curve
      --> out
      expected: a table of that kind; curves need at least two numbers of shots, and ranks two methods on two data sets with a seed for each run
      help: `nemesis report --list` names the tables
    ");
}

/// What Chromium makes of the page at an address, as text of the document; none where there is no Chromium.
pub(crate) fn dom(test: &str, page: &Path, hash: &str) -> Option<String> {
    dom_with(test, page, hash, &[])
}

/// The same with further arguments of Chromium's.
fn dom_with(test: &str, page: &Path, hash: &str, arguments: &[&str]) -> Option<String> {
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()));
    let Some(program) = program else {
        skipped(test, "needs Chromium");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"])
        .args(arguments)
        .args(["--enable-logging=stderr", &format!("--user-data-dir={}", profile.path().display())])
        .arg(format!("file://{}{hash}", page.display()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let dom = String::from_utf8(output.stdout).unwrap();
    // An element that became text.
    let main = dom.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
    assert!(!main.contains("[object "), "{main}");
    Some(dom)
}

#[test]
fn a_browser_shows_the_table_and_filters_it_by_the_address() {
    const NAME: &str = "report_page::a_browser_shows_the_table_and_filters_it_by_the_address";
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    let page = page(folder.path());
    let Some(whole) = dom(NAME, &page, "") else { return };
    assert!(whole.contains("A table</h2>") && whole.contains("<svg"), "{whole}");
    assert!(!whole.contains("<tr data-dataset=\"dtd\" hidden"));
    let filtered = dom(NAME, &page, "#table=few-shot&datasets=caltech101&methods=CoOp").unwrap();
    let row = |dataset: &str| {
        filtered.split_once(&format!("<tr data-dataset=\"{dataset}\"")).unwrap().1.split_once('>').unwrap().0
    };
    assert!(row("dtd").contains("hidden") && !row("caltech101").contains("hidden"));
    let data = filtered.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let cell = data["questions"][0]["cells"][3][0].as_str().unwrap();
    let shown = dom(NAME, &page, &format!("#cell={cell}")).unwrap();
    assert!(shown.contains("Back to the table") && shown.contains(cell) && shown.contains("By class"), "{shown}");
}

/// Runs axe-core on the page and leaves what it finds in the document.
const RUN_AXE: &str = "addEventListener('load', async () => {
  const found = await axe.run();
  const text = (violation) => `${violation.impact} ${violation.id}: ${violation.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')}`;
  const serious = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact));
  const told = document.createElement('pre');
  told.id = 'axe';
  told.textContent = [`${found.passes.length} passes`, ...serious.map(text)].join('\\n');
  document.body.append(told);
});";

/// Where axe-core is, its file is named by `AXE_CORE`: `npm install axe-core`, then `node_modules/axe-core/axe.min.js`.
#[test]
fn axe_finds_no_serious_fault_in_light_or_dark() {
    const NAME: &str = "report_page::axe_finds_no_serious_fault_in_light_or_dark";
    let Some(axe) = std::env::var_os("AXE_CORE") else {
        return skipped(NAME, "needs axe-core: AXE_CORE names its axe.min.js");
    };
    let axe = fs::read_to_string(axe).unwrap();
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    let page = page(folder.path());
    let text = fs::read_to_string(&page).unwrap();
    let (rest, end) = text.rsplit_once("</body>").unwrap();
    fs::write(&page, format!("{rest}<script>{axe}</script><script>{RUN_AXE}</script></body>{end}")).unwrap();
    let data = text.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let cell = data["questions"][0]["cells"][3][0].as_str().unwrap();
    for hash in [String::new(), format!("#cell={cell}")] {
        // 0 is dark.
        for scheme in ["--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"] {
            let Some(dom) = dom_with(NAME, &page, &hash, &[scheme, "--virtual-time-budget=20000"]) else { return };
            let found = dom.rsplit_once("<pre id=\"axe\">").unwrap().1.split_once("</pre>").unwrap().0;
            let (passes, serious) = found.split_once('\n').unwrap_or((found, ""));
            assert!(passes.split_once(' ').unwrap().0.parse::<usize>().unwrap() > 10, "{passes}");
            assert!(serious.is_empty(), "{hash} {scheme}: {serious}");
        }
    }
}

/// A hundred cells, or as many as `PAGE_CELLS` says: a thousand stay below 5 MB, and beyond what a page can hold in full it says
/// so. Every record is written to the disk for good, so that more take long.
#[test]
fn pages_of_many_cells_stay_small() {
    const NAME: &str = "report_page::pages_of_many_cells_stay_small";
    let cells: usize = std::env::var("PAGE_CELLS").map_or(100, |cells| cells.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.epochs = 100;
    let datasets = ["caltech101", "dtd", "eurosat", "food101", "ucf101"];
    let seeds: Vec<f64> = (0..cells / (datasets.len() * 4)).map(|seed| 50.0 + (seed % 7) as f64 / 2.0).collect();
    for dataset in datasets {
        for method in [COOP, PEN] {
            for shots in [1, 16] {
                records.few_shot(method, dataset, shots, &seeds);
            }
        }
    }
    records.save();
    let started = std::time::Instant::now();
    let page = page(folder.path());
    let text = fs::read_to_string(&page).unwrap();
    println!("{cells} cells: {} kB, written in {:.1} s", text.len() / 1000, started.elapsed().as_secs_f64());
    assert!(text.len() < 5_000 * cells.clamp(100, 1000), "{}", text.len());
    assert_eq!(text.contains("A page holds what was learned"), cells > 2000);
    let Some(dom) = dom(NAME, &page, "") else { return };
    assert!(dom.contains(&format!("<summary>{} evaluations</summary>", seeds.len() * datasets.len() * 4)));
}

/// Columns may share cells, as those of an ablation share the one of the defaults.
#[test]
fn a_cell_stands_under_each_of_its_columns() {
    const NAME: &str = "report_page::a_cell_stands_under_each_of_its_columns";
    const LABELS: [&str; 2] = ["CoOp, n_ctx 16", "CoOp, alpha 1.0"];
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for label in LABELS {
        records.few_shot(("coop", label), "dtd", 16, &[60.0, 61.0, 62.0]);
    }
    records.save();
    let page = page(folder.path());
    let data = data(&fs::read_to_string(&page).unwrap());
    assert_eq!(data["cells"].as_object().unwrap().len(), 3);
    let cells = data["questions"][0]["cells"].as_array().unwrap();
    let of = |label: &str| cells.iter().filter(|cell| cell[1] == label).count();
    assert_eq!(LABELS.map(of), [3, 3]);
    let cell = cells[0][0].as_str().unwrap();
    let Some(shown) = dom(NAME, &page, &format!("#cell={cell}")) else { return };
    assert!(shown.contains("<h2>CoOp, n_ctx 16 / CoOp, alpha 1.0 on dtd, 16 shots, seed 1</h2>"), "{shown}");
    assert!(dom(NAME, &page, "").unwrap().contains("<summary>3 evaluations</summary>"));
}

/// What was only planned takes no room on a page.
#[test]
fn a_page_counts_the_cells_that_have_a_record() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    let file = folder.path().join("out/plans/few-shot.json");
    let mut plan: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let cells = plan["cells"].as_array_mut().unwrap();
    let planned = cells[0].clone();
    cells.extend((0..2000).map(|id| {
        let mut cell = planned.clone();
        cell["id"] = format!("{id:064x}").into();
        cell
    }));
    fs::write(&file, plan.to_string()).unwrap();
    // It ends with 1, since not all has a record.
    let output = nemesis(folder.path(), &["report", "--html", "page.html"]).output().unwrap();
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap_or_else(|_| panic!("{}", told(&output)));
    assert!(!page.contains("A page holds what was learned"), "26 cells have a record");
}
