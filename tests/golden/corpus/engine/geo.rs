//! Where things are: distances on the globe, areas of delivery, simplified routes.

const EARTH_RADIUS_KM: f64 = 6_371.0088;

/// A place in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub lat: f64,
    pub lon: f64,
}

impl Point {
    /// Great-circle distance by the haversine formula.
    pub fn distance_km(self, other: Point) -> f64 {
        let (lat1, lat2) = (self.lat.to_radians(), other.lat.to_radians());
        let dlat = (lat2 - lat1) / 2.0;
        let dlon = (other.lon - self.lon).to_radians() / 2.0;
        let a = dlat.sin().powi(2) + lat1.cos() * lat2.cos() * dlon.sin().powi(2);
        2.0 * EARTH_RADIUS_KM * a.sqrt().asin()
    }

    /// The compass direction to another place, 0 to 360 degrees from north.
    pub fn bearing_to(self, other: Point) -> f64 {
        let (lat1, lat2) = (self.lat.to_radians(), other.lat.to_radians());
        let dlon = (other.lon - self.lon).to_radians();
        let y = dlon.sin() * lat2.cos();
        let x = lat1.cos() * lat2.sin() - lat1.sin() * lat2.cos() * dlon.cos();
        (y.atan2(x).to_degrees() + 360.0) % 360.0
    }
}

/// Whether a place lies within a delivery area: rays to the east that cross the outline an odd number of times.
pub fn inside_polygon(point: Point, outline: &[Point]) -> bool {
    let mut inside = false;
    let mut previous = match outline.last() {
        Some(last) => *last,
        None => return false,
    };
    for &corner in outline {
        if (corner.lat > point.lat) != (previous.lat > point.lat) {
            let slope = (previous.lon - corner.lon) / (previous.lat - corner.lat);
            if point.lon < slope * (point.lat - corner.lat) + corner.lon {
                inside = !inside;
            }
        }
        previous = corner;
    }
    inside
}

/// The index of the depot that is closest to a place.
pub fn nearest_depot(depots: &[Point], place: Point) -> Option<usize> {
    (0..depots.len()).min_by(|&a, &b| depots[a].distance_km(place).total_cmp(&depots[b].distance_km(place)))
}

/// Drops points of a track that lie within `tolerance` degrees of the line between their neighbours
/// (Douglas and Peucker).
pub fn simplify(track: &[Point], tolerance: f64) -> Vec<Point> {
    if track.len() < 3 {
        return track.to_vec();
    }
    let (first, last) = (track[0], track[track.len() - 1]);
    let (farthest, offset) = (1..track.len() - 1)
        .map(|at| (at, offset_from_line(track[at], first, last)))
        .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
    if offset <= tolerance {
        return vec![first, last];
    }
    let mut kept = simplify(&track[..=farthest], tolerance);
    kept.pop();
    kept.extend(simplify(&track[farthest..], tolerance));
    kept
}

fn offset_from_line(point: Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.lon - from.lon, to.lat - from.lat);
    let length = dx.hypot(dy);
    if length == 0.0 {
        return (point.lon - from.lon).hypot(point.lat - from.lat);
    }
    ((point.lon - from.lon) * dy - (point.lat - from.lat) * dx).abs() / length
}
