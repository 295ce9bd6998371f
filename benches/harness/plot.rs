//! Plots as SVG: lines over logarithmic axes.

use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 130.0;

const COLOURS: [&str; 4] = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad"];

/// A line with its name.
pub(crate) struct Line {
    pub(crate) name: String,
    /// Places and values, all above zero.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws lines into a file. `across` and `up` say what the axes are.
pub(crate) fn draw(file: &Path, title: &str, across: &str, up: &str, lines: &[Line]) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let places = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let values = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title}</text>\n"
    );
    for tick in places.ticks() {
        let x = places.at(tick);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
        );
    }
    for tick in values.ticks() {
        let y = values.at(tick);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
        );
    }
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{across}</text>\
         <text x=\"16\" y=\"{}\" transform=\"rotate(-90 16 {})\" text-anchor=\"middle\">{up}</text>",
        HEIGHT - 10.0,
        HEIGHT / 2.0,
        HEIGHT / 2.0,
    );
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let place = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", places.at(*x), values.at(*y));
        let path: Vec<String> = line.points.iter().map(place).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in &line.points {
            let (x, y) = (places.at(*x), values.at(*y));
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        if let Some((x, y)) = line.points.last() {
            let (x, y, name) = (places.at(*x) + 8.0, values.at(*y) + 4.0, &line.name);
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>");
        }
    }
    svg.push_str("</svg>\n");
    std::fs::write(file, svg).unwrap();
    println!("drawn: {}", file.display());
}

/// A logarithmic axis between two places on the paper.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) =
            values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), one| (low.min(one), high.max(one)));
        Axis { low: low * 0.8, high: high * 1.25, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value / self.low).ln() / (self.high / self.low).ln() * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        let decades = (-4..8).map(|power| 10_f64.powi(power));
        let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * decade));
        all.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}
