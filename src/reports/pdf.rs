//! A document as pages: A4, in the Helvetica that every reader of PDF has.
//!
//! That font has the characters of Western European languages; others are shown as `?`.

use super::document::{Document, Section};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

/// A4 in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// From one line to the next.
const LEADING: f32 = 15.0;
const TEXT_SIZE: f32 = 9.5;
const TITLE_SIZE: f32 = 18.0;
const HEADING_SIZE: f32 = 12.0;
/// Right edges of the three columns of numbers.
const COLUMNS: [f32; 3] = [WIDTH - MARGIN - 160.0, WIDTH - MARGIN - 80.0, WIDTH - MARGIN];
const HEADINGS: [&str; 3] = ["Requests", "Allowed", "Blocked"];
/// Room of the names before the first number.
const NAME_WIDTH: f32 = COLUMNS[0] - 60.0 - MARGIN;

/// Widths of Helvetica's characters 32 to 126 in thousandths of the size (Adobe's font metrics).
#[rustfmt::skip]
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
/// Of the characters beyond: those with accents are as wide as those without.
const WIDTH_BEYOND: u16 = 600;

impl Document {
    /// The document as PDF.
    pub fn pdf(&self) -> Vec<u8> {
        let mut pages = Pages::default();
        pages.line(TITLE_SIZE, true, &self.title);
        pages.space(LEADING / 2.0);
        for (label, text) in &self.facts {
            pages.fact(label, text);
        }
        for section in &self.sections {
            pages.section(section);
        }
        pages.finish(&self.title)
    }
}

/// Pages being written, the last one open.
struct Pages {
    done: Vec<Content>,
    page: Content,
    /// Where the next line stands.
    y: f32,
}

impl Default for Pages {
    fn default() -> Self {
        Pages { done: Vec::new(), page: Content::new(), y: HEIGHT - MARGIN }
    }
}

impl Pages {
    /// Moves on by a height, to the next page where this one is full.
    fn space(&mut self, height: f32) {
        if self.y - height < MARGIN {
            self.done.push(std::mem::replace(&mut self.page, Content::new()));
            self.y = HEIGHT - MARGIN;
        }
        self.y -= height;
    }

    fn text(&mut self, x: f32, size: f32, bold: bool, octets: &[u8]) {
        let font: &[u8] = if bold { b"B" } else { b"R" };
        self.page.begin_text().set_font(Name(font), size).next_line(x, self.y).show(Str(octets)).end_text();
    }

    fn right(&mut self, edge: f32, bold: bool, text: &str) {
        let octets = win_ansi(text);
        self.text(edge - width(&octets, TEXT_SIZE), TEXT_SIZE, bold, &octets);
    }

    fn line(&mut self, size: f32, bold: bool, text: &str) {
        self.space(size * 1.5);
        self.text(MARGIN, size, bold, &fitting(text, size, WIDTH - 2.0 * MARGIN));
    }

    fn fact(&mut self, label: &str, text: &str) {
        self.space(LEADING);
        self.text(MARGIN, TEXT_SIZE, true, &win_ansi(label));
        self.text(MARGIN + 110.0, TEXT_SIZE, false, &fitting(text, TEXT_SIZE, WIDTH - 2.0 * MARGIN - 110.0));
    }

    fn section(&mut self, section: &Section) {
        self.space(LEADING);
        if !section.title.is_empty() {
            // A heading does not stand alone at the end of a page.
            if self.y - 4.0 * LEADING < MARGIN {
                self.space(self.y);
            }
            self.line(HEADING_SIZE, true, section.title);
        }
        self.headings(section.subject);
        for (name, counts) in &section.rows {
            let pages = self.done.len();
            self.space(LEADING);
            if self.done.len() > pages {
                self.headings(section.subject);
                self.space(LEADING);
            }
            self.text(MARGIN, TEXT_SIZE, false, &fitting(name, TEXT_SIZE, NAME_WIDTH));
            let numbers = [counts.requests(), counts.allowed, counts.blocked];
            for (edge, number) in COLUMNS.into_iter().zip(numbers) {
                self.right(edge, false, &number.to_string());
            }
        }
        if section.rows.is_empty() {
            self.space(LEADING);
            self.text(MARGIN, TEXT_SIZE, false, b"None.");
        }
    }

    fn headings(&mut self, subject: &str) {
        self.space(LEADING);
        self.text(MARGIN, TEXT_SIZE, true, &win_ansi(subject));
        for (edge, heading) in COLUMNS.into_iter().zip(HEADINGS) {
            self.right(edge, true, heading);
        }
        let y = self.y - 4.0;
        self.page.set_line_width(0.5).move_to(MARGIN, y).line_to(WIDTH - MARGIN, y).stroke();
    }

    fn finish(mut self, title: &str) -> Vec<u8> {
        self.done.push(std::mem::replace(&mut self.page, Content::new()));
        let count = self.done.len();
        let (catalog, tree, regular, bold, information) =
            (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4), Ref::new(5));
        let page_ref = |index: usize| Ref::new(6 + 2 * i32::try_from(index).unwrap_or_default());
        let content_ref = |index: usize| Ref::new(7 + 2 * i32::try_from(index).unwrap_or_default());
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.pages(tree).kids((0..count).map(page_ref)).count(i32::try_from(count).unwrap_or(i32::MAX));
        for (font, name) in [(regular, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
            pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        pdf.document_info(information).title(TextStr(title)).producer(TextStr("Weir"));
        for (index, mut content) in self.done.into_iter().enumerate() {
            let number = format!("{} / {count}", index + 1);
            let octets = win_ansi(&number);
            let x = WIDTH - MARGIN - width(&octets, TEXT_SIZE);
            content
                .begin_text()
                .set_font(Name(b"R"), TEXT_SIZE)
                .next_line(x, MARGIN / 2.0)
                .show(Str(&octets))
                .end_text();
            let mut page = pdf.page(page_ref(index));
            page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content_ref(index));
            page.resources().fonts().pair(Name(b"R"), regular).pair(Name(b"B"), bold);
            page.finish();
            pdf.stream(content_ref(index), &content.finish());
        }
        pdf.finish()
    }
}

/// The text in the encoding of the font (PDF 32000-1:2008, annex D.2).
fn win_ansi(text: &str) -> Vec<u8> {
    let octet = |c: char| match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => c as u32 as u8,
        '€' => 0x80,
        '…' => 0x85,
        'Š' => 0x8a,
        'Œ' => 0x8c,
        'Ž' => 0x8e,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        'š' => 0x9a,
        'œ' => 0x9c,
        'ž' => 0x9e,
        'Ÿ' => 0x9f,
        _ => b'?',
    };
    text.chars().map(octet).collect()
}

fn width(octets: &[u8], size: f32) -> f32 {
    let of = |octet: u8| match octet {
        b' '..=b'~' => WIDTHS[usize::from(octet - b' ')],
        _ => WIDTH_BEYOND,
    };
    octets.iter().map(|octet| f32::from(of(*octet))).sum::<f32>() * size / 1000.0
}

/// As much of a text as there is room for, with three dots where it is cut.
fn fitting(text: &str, size: f32, room: f32) -> Vec<u8> {
    let mut octets = win_ansi(text);
    if width(&octets, size) <= room {
        return octets;
    }
    while width(&octets, size) + width(b"...", size) > room && octets.pop().is_some() {}
    octets.extend_from_slice(b"...");
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{reports::document::tests::document, stats::Counts};

    fn count(octets: &[u8], wanted: &str) -> usize {
        String::from_utf8_lossy(octets).matches(wanted).count()
    }

    #[test]
    fn rows_fill_as_many_pages_as_they_need() {
        let counts = Counts { allowed: 3, blocked: 1, bypassed: 0 };
        for (rows, pages) in [(0, 1), (20, 1), (200, 5)] {
            let rows = (0..rows).map(|number| (format!("host-{number}.example"), counts)).collect();
            let octets = document(rows).pdf();
            assert!(octets.starts_with(b"%PDF-") && octets.trim_ascii_end().ends_with(b"%%EOF"));
            assert_eq!(count(&octets, "/Type /Page\n"), pages);
            assert_eq!(count(&octets, "(User)"), pages, "headings stand on every page");
        }
        let octets = document(vec![("host.example".to_owned(), counts)]).pdf();
        assert_eq!(count(&octets, "(host.example)"), 1);
    }

    #[test]
    fn long_and_foreign_texts_are_shown_as_far_as_the_font_goes() {
        assert_eq!(win_ansi("Zoë – 5 €, Ω"), b"Zo\xeb \x96 5 \x80, ?");
        let cut = fitting(&"m".repeat(300), TEXT_SIZE, NAME_WIDTH);
        assert!(cut.ends_with(b"m...") && width(&cut, TEXT_SIZE) <= NAME_WIDTH);
    }
}
