//! A policy's keywords and regular expressions.

use super::lists::compile_regex;
use crate::model::{Action, Name, WordKind, WordRule};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::{RegexSet, RegexSetBuilder};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
};

/// Keywords and expressions of a policy.
const WORDS_MAX: usize = 1_000;
/// Characters of a keyword.
const KEYWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=63;
/// Octets all expressions of a policy may take together, compiled.
const SET_OCTETS_MAX: usize = 8 << 20;
/// Octets a thread may keep for matching them.
const SCRATCH_OCTETS_MAX: usize = 1 << 20;

/// Which word of a policy cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct WordError {
    /// Its index.
    pub index: usize,
    /// Why.
    pub reason: WordFault,
}

/// Why a word cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordFault {
    /// Too many words.
    #[error("a policy has at most {WORDS_MAX} words")]
    Count,
    /// A keyword that is too short or too long, or has characters no name has.
    #[error("a keyword is 3 to 63 lower-case letters, digits, hyphens, underscores or dots")]
    Keyword,
    /// An expression that is not understood, or too large when compiled.
    #[error(
        "this is no regular expression that can be used: look-around and back-references are not, nor are very large ones"
    )]
    Regex,
    /// All expressions together are too large when compiled.
    #[error("the regular expressions up to this one are too large together")]
    Size,
}

/// What is wrong with a regular expression, in words; `None` for one that can be used.
pub fn regex_fault(text: &str) -> Option<String> {
    if compile_regex(text).is_some() {
        return None;
    }
    let fault = match regex::bytes::RegexBuilder::new(text).unicode(false).build() {
        // A drawing of the place comes first, the sentence last.
        Err(regex::Error::Syntax(drawing)) => {
            drawing.lines().last().and_then(|line| line.strip_prefix("error: ")).map(str::to_owned)
        }
        _ => None,
    };
    let fault = fault.unwrap_or_else(|| "it is too large when it is made ready".to_owned());
    Some(format!("this is no regular expression that can be used: {fault}"))
}

/// The words of a policy, ready to match: one automaton for its keywords, one for its expressions. Cheap to clone.
#[derive(Clone, Default)]
pub struct Words(Option<Arc<Compiled>>);

struct Compiled {
    rules: Vec<WordRule>,
    keywords: Option<AhoCorasick>,
    /// The rule of each keyword of the automaton.
    keyword_rules: Vec<u32>,
    regexes: Option<RegexSet>,
    /// The rule of each expression of the set.
    regex_rules: Vec<u32>,
}

impl Words {
    /// Prepares the words. Fails with the first that cannot be used.
    pub fn compile(rules: &[WordRule]) -> Result<Words, WordError> {
        if rules.is_empty() {
            return Ok(Words(None));
        }
        if rules.len() > WORDS_MAX {
            return Err(WordError { index: WORDS_MAX, reason: WordFault::Count });
        }
        let (mut keyword_rules, mut regex_rules) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            match rule.kind {
                WordKind::Keyword if !is_keyword(&rule.text) => {
                    return Err(WordError { index, reason: WordFault::Keyword });
                }
                WordKind::Keyword => keyword_rules.push(index as u32),
                WordKind::Regex if compile_regex(&rule.text).is_none() => {
                    return Err(WordError { index, reason: WordFault::Regex });
                }
                WordKind::Regex => regex_rules.push(index as u32),
            }
        }
        let texts = |numbers: &[u32]| -> Vec<&str> { numbers.iter().map(|n| &*rules[*n as usize].text).collect() };
        let last = |numbers: &[u32]| numbers.last().map_or(0, |number| *number as usize);
        let keywords = if keyword_rules.is_empty() {
            None
        } else {
            let mut builder = AhoCorasick::builder();
            let built = builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(texts(&keyword_rules));
            Some(built.map_err(|_| WordError { index: last(&keyword_rules), reason: WordFault::Size })?)
        };
        let regexes = if regex_rules.is_empty() {
            None
        } else {
            let mut builder = RegexSetBuilder::new(texts(&regex_rules));
            builder.unicode(false).case_insensitive(true);
            let built = builder.size_limit(SET_OCTETS_MAX).dfa_size_limit(SCRATCH_OCTETS_MAX).build();
            Some(built.map_err(|_| WordError { index: last(&regex_rules), reason: WordFault::Size })?)
        };
        let rules = rules.to_vec();
        Ok(Words(Some(Arc::new(Compiled { rules, keywords, keyword_rules, regexes, regex_rules }))))
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The words, as they were given.
    pub fn rules(&self) -> &[WordRule] {
        self.0.as_ref().map_or(&[], |words| &words.rules)
    }

    /// The word that decides about a name, by its index, and what it does: an allowing one before a blocking one, then
    /// the first of the policy. Allocates only where there are regular expressions.
    #[inline]
    pub fn find(&self, name: Name<'_>) -> Option<(usize, Action)> {
        self.0.as_ref()?.find(name)
    }
}

impl Compiled {
    fn find(&self, name: Name<'_>) -> Option<(usize, Action)> {
        let mut buffer = [0; 256];
        let text = super::lists::text(name, &mut buffer);
        let mut best: Option<(bool, u32)> = None;
        let mut offer = |number: u32| {
            // `false` comes first: words that allow.
            let found = (self.rules[number as usize].action == Action::Block, number);
            best = Some(best.map_or(found, |old| old.min(found)));
        };
        if let Some(keywords) = &self.keywords {
            for found in keywords.find_overlapping_iter(text) {
                offer(self.keyword_rules[found.pattern().as_usize()]);
            }
        }
        if let Some(regexes) = &self.regexes {
            // Nearly every name matches none: ask that first, it keeps no list.
            if regexes.is_match(text) {
                for index in &regexes.matches(text) {
                    offer(self.regex_rules[index]);
                }
            }
        }
        best.map(|(_, number)| (number as usize, self.rules[number as usize].action))
    }
}

fn is_keyword(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_' | b'.');
    KEYWORD_CHARACTERS.contains(&text.len()) && text.bytes().all(fits)
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.rules().len()).finish()
    }
}

/// Words of many policies: those that are equal are compiled once and shared as long as somebody has them.
#[derive(Default)]
pub struct WordCache {
    known: HashMap<Vec<WordRule>, Weak<Compiled>>,
    /// How many are known when those nobody has any more are thrown out.
    clean_at: usize,
}

impl WordCache {
    /// As [`Words::compile`].
    pub fn compile(&mut self, rules: &[WordRule]) -> Result<Words, WordError> {
        if rules.is_empty() {
            return Ok(Words(None));
        }
        if let Some(words) = self.known.get(rules).and_then(Weak::upgrade) {
            return Ok(Words(Some(words)));
        }
        let words = Words::compile(rules)?;
        if self.known.len() >= self.clean_at {
            self.known.retain(|_, words| words.strong_count() > 0);
            self.clean_at = (self.known.len() * 2).max(64);
        }
        if let Some(compiled) = &words.0 {
            self.known.insert(rules.to_vec(), Arc::downgrade(compiled));
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    fn word(text: &str, action: Action) -> WordRule {
        let (kind, text) = match text.strip_prefix('/') {
            Some(regex) => (WordKind::Regex, regex),
            None => (WordKind::Keyword, text),
        };
        WordRule { kind, text: text.to_owned(), action }
    }

    fn name(text: &str) -> DomainName {
        DomainName::from_text(text).expect("valid")
    }

    #[test]
    fn an_allowing_word_wins_and_then_the_first_of_the_policy() {
        use Action::{Allow, Block};
        let rules = [
            word("casino", Block),
            word("/^ads?[0-9]+\\.", Block),
            word("sino", Block),
            word("casinobio", Allow),
            word("/\\.EDU$", Allow),
        ];
        let words = Words::compile(&rules).expect("valid");
        for (asked, expected) in [
            ("casino.example", Some((0, Block))),
            ("xsino.example", Some((2, Block))),
            ("casinobiology.example", Some((3, Allow))),
            ("ad7.example", Some((1, Block))),
            ("x.ad7.example", None),
            ("ads12.casino.edu", Some((4, Allow))),
            ("example.com", None),
            ("cas.ino.example", None),
        ] {
            assert_eq!(words.find(name(asked).as_name()), expected, "{asked}");
        }
        assert_eq!(Words::default().find(name("casino.example").as_name()), None);
    }

    #[test]
    fn a_word_that_cannot_be_used_is_named_with_its_reason() {
        use Action::Block;
        for (text, reason) in [
            ("ab", WordFault::Keyword),
            ("Casino", WordFault::Keyword),
            ("ca sino", WordFault::Keyword),
            ("/(?=x)", WordFault::Regex),
            ("/(a)\\1", WordFault::Regex),
            ("/((((a{99}){99}){99}){99})", WordFault::Regex),
        ] {
            let error = Words::compile(&[word("good", Block), word(text, Block)]).expect_err(text);
            assert_eq!(error, WordError { index: 1, reason }, "{text}");
        }
        let many = vec![word("good", Block); WORDS_MAX + 1];
        assert_eq!(Words::compile(&many).expect_err("too many").reason, WordFault::Count);
    }

    #[test]
    fn policies_with_equal_words_share_them() {
        let mut cache = WordCache::default();
        let rules = [word("casino", Action::Block)];
        let (one, two) = (cache.compile(&rules).expect("valid"), cache.compile(&rules).expect("valid"));
        assert!(Arc::ptr_eq(one.0.as_ref().expect("some"), two.0.as_ref().expect("some")));
    }
}
