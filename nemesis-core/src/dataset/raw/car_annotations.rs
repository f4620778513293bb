//! StanfordCars' MATLAB annotations: struct arrays of a file name and a label, and a cell array of class names.

use super::{Pool, Row};
use crate::dataset::matlab::{self, Array};
use crate::{Error, Result, files};
use std::path::Path;

/// Reads the annotations of train and test in `folder`.
pub(super) fn read(folder: &Path) -> Result<Pool> {
    let names = read_file(&folder.join("devkit/cars_meta.mat"), class_names)?;
    let read = |file: &str, images| read_file(&folder.join(file), |bytes| annotations(bytes, images, &names));
    Ok(Pool::Tested {
        trainval: read("devkit/cars_train_annos.mat", "cars_train")?,
        test: read("cars_test_annos_withlabels.mat", "cars_test")?,
    })
}

fn read_file<T>(file: &Path, parse: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    parse(&files::read(file)?).map_err(|e| e.at(file))
}

fn class_names(bytes: &[u8]) -> Result<Vec<String>> {
    let Array::Cells(cells) = matlab::variable(bytes, "class_names")? else {
        return Err(Error::new("the variable `class_names` is not a cell array"));
    };
    let name = |(i, cell): (usize, &Array)| {
        let name = cell.text().ok_or_else(|| Error::new(format!("the class name {} is not a text", i + 1)))?;
        Ok(year_first(name))
    };
    cells.iter().enumerate().map(name).collect()
}

/// `Audi TTS Coupe 2012` as `2012 Audi TTS Coupe`.
fn year_first(name: &str) -> String {
    name.rsplit_once(' ').map_or_else(|| name.to_owned(), |(car, year)| format!("{year} {car}"))
}

fn annotations(bytes: &[u8], images: &str, names: &[String]) -> Result<Vec<Row>> {
    let Array::Structs { fields, elements } = matlab::variable(bytes, "annotations")? else {
        return Err(Error::new("the variable `annotations` is not a struct array"));
    };
    let field = |name: &str| {
        fields.iter().position(|field| field == name).ok_or_else(|| {
            Error::new(format!("the annotations have no field `{name}`"))
                .expected(format!("one of {}", fields.join(", ")))
        })
    };
    let (class, file) = (field("class")?, field("fname")?);
    let row = |(i, element): (usize, &Vec<Array>)| {
        let wrong = |what| Error::new(format!("annotation {} has no {what}", i + 1));
        let label = element[class].index().and_then(|label| label.checked_sub(1)).ok_or_else(|| wrong("label"))?;
        let name = names.get(label as usize).ok_or_else(|| {
            Error::new(format!("annotation {} has the label {}", i + 1, label + 1))
                .expected(format!("one from 1 to {}", names.len()))
        })?;
        let file = element[file].text().ok_or_else(|| wrong("file name"))?;
        Ok((format!("{images}/{file}"), label, name.clone()))
    };
    elements.iter().enumerate().map(row).collect()
}
