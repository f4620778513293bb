//! MATLAB files of level 5, uncompressed: as much as the annotations of StanfordCars and Flowers102 need.
//!
//! The format: "MAT-File Format", The MathWorks. A file is a header and elements; an element is a type, a length and
//! data padded to eight bytes; an array is an element that holds its class, dimensions, name and contents as elements.

/// An array. Vectors are rows.
pub(super) enum Array {
    /// Small whole numbers.
    Bytes(Vec<u8>),
    /// One text.
    Text(String),
    /// A list of any arrays.
    Cells(Vec<Array>),
    /// Structures with the same fields.
    Structs(Vec<&'static str>, Vec<Vec<Array>>),
}

const INT8: u32 = 1;
const UINT8: u32 = 2;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;

/// The longest field name and its final zero.
const FIELD_NAME_LENGTH: usize = 32;

/// The bytes of a file that holds one variable.
pub(super) fn file(name: &str, array: &Array) -> Vec<u8> {
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    // Version, and the mark by which readers tell the byte order.
    bytes.extend([0x00, 0x01, b'I', b'M']);
    bytes.extend(array.matrix(name));
    bytes
}

fn element(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

impl Array {
    fn matrix(&self, name: &str) -> Vec<u8> {
        let (class, length, contents) = match self {
            Self::Cells(cells) => (1, cells.len(), cells.iter().flat_map(|cell| cell.matrix("")).collect()),
            Self::Structs(fields, elements) => {
                let mut names = Vec::new();
                for field in fields {
                    names.extend(field.as_bytes());
                    names.resize(names.len().next_multiple_of(FIELD_NAME_LENGTH), 0);
                }
                let mut contents = element(INT32, &words([FIELD_NAME_LENGTH as u32]));
                contents.extend(element(INT8, &names));
                contents.extend(elements.iter().flatten().flat_map(|value| value.matrix("")));
                (2, elements.len(), contents)
            }
            Self::Text(text) => {
                let units: Vec<u16> = text.encode_utf16().collect();
                let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                (4, units.len(), element(UINT16, &bytes))
            }
            Self::Bytes(bytes) => (9, bytes.len(), element(UINT8, bytes)),
        };
        let mut matrix = element(UINT32, &words([class, 0]));
        matrix.extend(element(INT32, &words([1, length as u32])));
        matrix.extend(element(INT8, name.as_bytes()));
        matrix.extend(contents);
        element(MATRIX, &matrix)
    }
}
