//! Hashes of lattice points, and the smooth and cellular noise made of them.

/// Well-mixed bits of a lattice point.
pub(crate) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed;
    h = (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ h >> 12).wrapping_mul(0x297a_2d39);
    h ^ h >> 15
}

/// A number in `[0, 1)` for a lattice point.
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / (1 << 24) as f32
}

/// Smooth noise in `[0, 1)` whose bumps have the size one.
pub(crate) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - left), ease(y - top));
    let (i, j) = (left as i32, top as i32);
    let row = |j: i32| {
        let (a, b) = (lattice(i, j, seed), lattice(i + 1, j, seed));
        a + (b - a) * u
    };
    let (above, beneath) = (row(j), row(j + 1));
    above + (beneath - above) * v
}

/// Three octaves of smooth noise in `[0, 1)`: clouds, soil, marble.
pub(crate) fn clouds(x: f32, y: f32, seed: u32) -> f32 {
    (4.0 * noise(x, y, seed) + 2.0 * noise(2.0 * x, 2.0 * y, seed ^ 1) + noise(4.0 * x, 4.0 * y, seed ^ 2)) / 7.0
}

/// The distances to the nearest and second nearest of points scattered one per unit cell.
pub(crate) fn cells(x: f32, y: f32, seed: u32) -> (f32, f32) {
    let (i, j) = (x.floor() as i32, y.floor() as i32);
    let (mut first, mut second) = (f32::MAX, f32::MAX);
    for (i, j) in (i - 1..=i + 1).flat_map(|i| (j - 1..=j + 1).map(move |j| (i, j))) {
        let (dx, dy) = (i as f32 + lattice(i, j, seed) - x, j as f32 + lattice(i, j, seed ^ 3) - y);
        let distance = (dx * dx + dy * dy).sqrt();
        if distance < first {
            (first, second) = (distance, first);
        } else if distance < second {
            second = distance;
        }
    }
    (first, second)
}
