//! Reports as one HTML page that needs nothing else: no scripts, no fonts, no
//! pictures from elsewhere.

use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
color:#1b1f24;background:#fff}table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}\
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #d8dee4}\
th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}svg text{font-size:11px;fill:#1b1f24}\
.passed{color:#116329}.failed{color:#a40e26;font-weight:600}";
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 48.0;
const BAR: f64 = 22.0;
const LABEL: f64 = 270.0;

/// A page under way.
#[derive(Debug, Clone)]
pub struct Page {
    body: String,
    title: String,
}

/// A named number with how far its interval reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Whose.
    pub label: String,
    /// How much.
    pub value: f64,
    /// How sure, to either side.
    pub within: f64,
}

/// A named point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Whose.
    pub label: String,
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { body: format!("<h1>{}</h1>\n", escaped(title)), title: escaped(title) }
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        self.push(&format!("<h2>{}</h2>\n", escaped(text)));
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        self.push(&format!("<p>{}</p>\n", escaped(text)));
    }

    /// Something that was to hold, and whether it does.
    pub fn gate(&mut self, name: &str, has_passed: bool, detail: &str) {
        let (class, word) = if has_passed { ("passed", "passed") } else { ("failed", "failed") };
        let (name, detail) = (escaped(name), escaped(detail));
        self.push(&format!("<p class=\"{class}\">{name}: {word}. {detail}</p>\n"));
    }

    /// A table.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
            cells.map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
        };
        let mut table = format!("<table><tr>{}</tr>\n", cells("th", &mut head.iter().copied()));
        for row in rows {
            table += &format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)));
        }
        self.push(&(table + "</table>\n"));
    }

    /// Bars, one below the other, with their intervals.
    pub fn bars(&mut self, title: &str, bars: &[Bar]) {
        let most = bars.iter().map(|bar| bar.value + bar.within).filter(|end| end.is_finite());
        let most = most.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let at = |value: f64| LABEL + (WIDTH - LABEL - 60.0) * (value / most).clamp(0.0, 1.0);
        let mut svg = opened(title, BAR * bars.len() as f64 + 8.0);
        for (row, bar) in bars.iter().enumerate() {
            let top = BAR * row as f64 + 4.0;
            let (end, middle) = (at(bar.value), top + BAR / 2.0);
            let (low, high) = (at(bar.value - bar.within), at(bar.value + bar.within));
            svg += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LABEL}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#6ea8fe\"/>\
                 <path d=\"M{low:.1} {middle:.1}H{high:.1}\" stroke=\"#1b1f24\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>\n",
                LABEL - 6.0,
                middle + 4.0,
                escaped(&bar.label),
                top + 3.0,
                (end - LABEL).max(0.0),
                BAR - 6.0,
                high + 5.0,
                middle + 4.0,
                bar.value,
            );
        }
        self.push(&(svg + "</svg></figure>\n"));
    }

    /// Points, with what both axes mean; both begin at 0.
    pub fn points(&mut self, title: &str, axes: [&str; 2], points: &[Point]) {
        let most = |of: fn(&Point) -> f64| {
            points.iter().map(of).filter(|value| value.is_finite()).fold(0.0, f64::max).max(f64::MIN_POSITIVE)
        };
        let (x_most, y_most) = (most(|point| point.x), most(|point| point.y));
        let bottom = HEIGHT - MARGIN;
        let mut svg = opened(title, HEIGHT);
        svg += &format!(
            "<path d=\"M{MARGIN} 8V{bottom}H{WIDTH}\" fill=\"none\" stroke=\"#57606a\"/>\
             <text x=\"{MARGIN}\" y=\"{:.1}\">0 to {x_most:.1}: {}</text>\
             <text transform=\"rotate(-90)\" x=\"{:.1}\" y=\"16\">0 to {y_most:.1}: {}</text>\n",
            HEIGHT - 16.0,
            escaped(axes[0]),
            -bottom,
            escaped(axes[1]),
        );
        for point in points.iter().filter(|point| point.x.is_finite() && point.y.is_finite()) {
            let x = MARGIN + (WIDTH - MARGIN - 180.0) * (point.x / x_most).clamp(0.0, 1.0);
            let y = bottom - (bottom - 16.0) * (point.y / y_most).clamp(0.0, 1.0);
            svg += &format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#0969da\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                x + 6.0,
                y + 4.0,
                escaped(&point.label),
            );
        }
        self.push(&(svg + "</svg></figure>\n"));
    }

    /// The page as it is to be written to a file.
    #[must_use]
    pub fn finish(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
             <style>{STYLE}</style></head>\n<body>\n{}</body></html>\n",
            self.title, self.body
        )
    }

    fn push(&mut self, html: &str) {
        self.body.push_str(html);
    }
}

fn opened(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<figure><figcaption>{title}</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{title}\">\n"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Names come from models and recordings of others.
        #[test]
        fn names_never_become_markup(name in ".*", value in any::<f64>()) {
            let mut page = Page::new(&name);
            page.heading(&name);
            page.text(&name);
            page.gate(&name, true, &name);
            page.table(&[&name], &[vec![name.clone()]]);
            page.bars(&name, &[Bar { label: name.clone(), value, within: value }]);
            page.points(&name, [&name, &name], &[Point { label: name.clone(), x: value, y: 1.0 }]);
            let mut plain = Page::new("");
            plain.heading("");
            plain.text("");
            plain.gate("", true, "");
            plain.table(&[""], &[vec![String::new()]]);
            plain.bars("", &[Bar { label: String::new(), value, within: value }]);
            plain.points("", ["", ""], &[Point { label: String::new(), x: value, y: 1.0 }]);
            let count = |page: &str, c: char| page.matches(c).count();
            let (page, plain) = (page.finish(), plain.finish());
            for c in ['<', '>', '"'] {
                prop_assert_eq!(count(&page, c), count(&plain, c));
            }
        }
    }

    #[test]
    fn a_page_asks_nobody_else() {
        let mut page = Page::new("t");
        page.bars("b", &[Bar { label: "a".to_owned(), value: 1.0, within: 0.1 }]);
        page.points("p", ["x", "y"], &[Point { label: "a".to_owned(), x: 1.0, y: 2.0 }]);
        let page = page.finish();
        assert!(!["http", "<script", "url(", "@import", "src="].iter().any(|word| page.contains(word)));
    }
}
