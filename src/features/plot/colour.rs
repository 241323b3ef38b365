//! The colour map: viridis (S. van der Walt & N. Smith, 2015), even to the eye and in grey.

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

/// Viridis at 0, 1/8 … 1.
const STOPS: [Rgb; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// The colour of a value from 0 to 1; values beyond have the colour of the end.
pub(super) fn of(value: f32) -> Rgb {
    let place = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let below = (place as usize).min(STOPS.len() - 2);
    let share = place - below as f32;
    std::array::from_fn(|i| {
        let (a, b) = (f32::from(STOPS[below][i]), f32::from(STOPS[below + 1][i]));
        (a + share * (b - a)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_beyond_have_the_maps_end_colours() {
        assert_eq!(of(0.0), STOPS[0]);
        assert_eq!(of(-3.0), STOPS[0]);
        assert_eq!(of(1.0), STOPS[8]);
        assert_eq!(of(7.0), STOPS[8]);
        assert_eq!(of(0.5), STOPS[4]);
    }
}
