//! From method and path to an operation: a tree of segments.
//!
//! Where patterns overlap, a literal segment wins, then a parameter of the segment's own kind
//! (`{uuid}`, `{date}`, numbers for `{id}` and whatever ends in `id`, words for the rest), then any
//! other parameter, words before numbers.
//! A pattern that lacks the method gives way to one that has it, unless that takes a word for an id.

use http::Method;
use std::collections::BTreeMap;

/// Where an operation stands: index into the list of operations, and parameters its alias fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    operation: usize,
    fixed: Vec<(String, String)>,
}

#[derive(Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    parameters: BTreeMap<String, Node>,
    methods: Vec<(Method, Leaf)>,
}

/// The tree.
#[derive(Default)]
pub struct Router {
    root: Node,
}

/// A match: the operation and the parameters of its path.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the operation, as given to `add`.
    pub operation: usize,
    /// Names and values, decoded.
    pub parameters: Vec<(String, String)>,
}

/// Why there is no match.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No pattern has this shape.
    Path,
    /// Patterns have this shape, but for other methods; these.
    Method(Vec<Method>),
}

/// What a parameter's name promises, and what a segment looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uuid,
    Date,
    Number,
    Word,
}

impl Kind {
    fn of_parameter(name: &str) -> Kind {
        match name {
            "uuid" => Kind::Uuid,
            "date" => Kind::Date,
            name if name.ends_with("id") => Kind::Number,
            _ => Kind::Word,
        }
    }

    fn of_segment(segment: &str) -> Kind {
        let hyphens_at = |places: &[usize]| {
            segment.bytes().enumerate().all(|(at, octet)| match places.contains(&at) {
                true => octet == b'-',
                false => octet.is_ascii_hexdigit(),
            })
        };
        match segment.len() {
            36 if hyphens_at(&[8, 13, 18, 23]) => Kind::Uuid,
            10 if hyphens_at(&[4, 7]) => Kind::Date,
            0 => Kind::Word,
            _ if segment.bytes().all(|octet| octet.is_ascii_digit()) => Kind::Number,
            _ => Kind::Word,
        }
    }

    /// How well a parameter fits a segment; the lowest is tried first.
    fn rank(self, segment: Kind) -> u8 {
        if self == segment {
            0
        } else if (self == Kind::Number) == (segment == Kind::Number) {
            1
        } else {
            2
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

impl Router {
    /// Adds a pattern such as `/users/{id}/policies`; `/whitelist?action=allow` fixes a parameter.
    /// False where method and pattern are there already.
    #[must_use]
    pub fn add(&mut self, method: Method, pattern: &str, operation: usize) -> bool {
        let (path, fixed) = pattern.split_once('?').unwrap_or((pattern, ""));
        let fixed = fixed.split('&').filter_map(|pair| pair.split_once('='));
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut node = &mut self.root;
        for segment in segments(path) {
            let parameter = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            node = match parameter {
                Some(name) => node.parameters.entry(name.to_owned()).or_default(),
                None => node.literals.entry(segment.to_owned()).or_default(),
            };
        }
        if node.methods.iter().any(|(known, _)| *known == method) {
            return false;
        }
        node.methods.push((method, Leaf { operation, fixed }));
        true
    }

    /// Finds the operation. `path` holds decoded segments; empty ones (doubled and trailing slashes)
    /// are already left out.
    pub fn find(&self, method: &Method, path: &[String]) -> Result<Route, NoRoute> {
        let mut allowed = Vec::new();
        let mut parameters = Vec::new();
        match walk(&self.root, method, path, 0, &mut parameters, &mut allowed) {
            Some(leaf) => {
                parameters.extend(leaf.fixed.iter().cloned());
                Ok(Route { operation: leaf.operation, parameters })
            }
            None if allowed.is_empty() => Err(NoRoute::Path),
            None => {
                // What a path could be read as besides what it looks like is not advertised.
                let best = allowed.iter().map(|(_, misfit)| *misfit).min().unwrap_or_default();
                let fitting = allowed.into_iter().filter(|(_, misfit)| *misfit == best);
                let mut methods: Vec<Method> = fitting.map(|(method, _)| method).collect();
                methods.sort_by(|one, two| one.as_str().cmp(two.as_str()));
                methods.dedup();
                Err(NoRoute::Method(methods))
            }
        }
    }
}

fn walk<'a>(
    node: &'a Node,
    method: &Method,
    path: &[String],
    misfit: u8,
    parameters: &mut Vec<(String, String)>,
    allowed: &mut Vec<(Method, u8)>,
) -> Option<&'a Leaf> {
    let Some((segment, rest)) = path.split_first() else {
        allowed.extend(node.methods.iter().map(|(method, _)| (method.clone(), misfit)));
        return node.methods.iter().find(|(known, _)| known == method).map(|(_, leaf)| leaf);
    };
    let literal = node.literals.get(segment);
    if let Some(leaf) = literal.and_then(|next| walk(next, method, rest, misfit, parameters, allowed)) {
        return Some(leaf);
    }
    let kind = Kind::of_segment(segment);
    for rank in 0..3 {
        for (name, next) in &node.parameters {
            // A word that some pattern has as such is no id: `/import` beside `/{domainid}`. `default` is
            // the id of a policy, too.
            if Kind::of_parameter(name).rank(kind) != rank || rank == 2 && !allowed.is_empty() && name != "policyid" {
                continue;
            }
            parameters.push((name.clone(), segment.clone()));
            if let Some(leaf) = walk(next, method, rest, misfit.max(rank), parameters, allowed) {
                return Some(leaf);
            }
            parameters.pop();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: [(Method, &str); 14] = [
        (Method::GET, "/users"),
        (Method::GET, "/users/{id}/policies/default"),
        (Method::POST, "/users/{id}/policies/default"),
        (Method::GET, "/users/{id}/policies/{policyid}"),
        (Method::DELETE, "/users/{id}/policies/{policyid}"),
        (Method::GET, "/locations/{id}"),
        (Method::GET, "/locations/{locationtype}"),
        (Method::POST, "/locations/{id}"),
        (Method::GET, "/users/{id}/locations/{locationtype}/{locationid}"),
        (Method::GET, "/users/{id}/locations/{locationid}/addresses"),
        (Method::GET, "/domains/{action}/{domainid}"),
        (Method::POST, "/whitelist?action=allow"),
        (Method::GET, "/logs/{uuid}/{date}"),
        (Method::GET, "/logs/{date}/{filename}"),
    ];

    fn find(method: Method, path: &str) -> Result<(&'static str, String), NoRoute> {
        let mut router = Router::default();
        for (index, (method, pattern)) in PATTERNS.iter().enumerate() {
            assert!(router.add(method.clone(), pattern, index), "{pattern}");
        }
        assert!(!router.add(Method::GET, "/users", 99), "no pattern stands twice");
        let path: Vec<String> = segments(path).map(str::to_owned).collect();
        router.find(&method, &path).map(|route| {
            let text: Vec<String> = route.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (PATTERNS[route.operation].1, text.join(" "))
        })
    }

    #[test]
    fn a_literal_wins_then_a_number_then_a_word() {
        for (path, pattern, parameters) in [
            ("/users/1/policies/default", "/users/{id}/policies/default", "id=1"),
            ("/users/1/policies/2/", "/users/{id}/policies/{policyid}", "id=1 policyid=2"),
            ("/locations/7", "/locations/{id}", "id=7"),
            ("/locations/staticip", "/locations/{locationtype}", "locationtype=staticip"),
            (
                "/users/1/locations/staticip/2",
                "/users/{id}/locations/{locationtype}/{locationid}",
                "id=1 locationtype=staticip locationid=2",
            ),
            ("/users/1/locations/2/addresses", "/users/{id}/locations/{locationid}/addresses", "id=1 locationid=2"),
            ("/domains/allow/x", "/domains/{action}/{domainid}", "action=allow domainid=x"),
            (
                "/logs/0130ae8f-3712-4dad-9e1b-f2ad5ebc136c/2025-01-15",
                "/logs/{uuid}/{date}",
                "uuid=0130ae8f-3712-4dad-9e1b-f2ad5ebc136c date=2025-01-15",
            ),
            ("/logs/2025-01-15/1100.gz", "/logs/{date}/{filename}", "date=2025-01-15 filename=1100.gz"),
            ("/logs/today/1100.gz", "/logs/{date}/{filename}", "date=today filename=1100.gz"),
        ] {
            assert_eq!(find(Method::GET, path), Ok((pattern, parameters.to_owned())), "{path}");
        }
    }

    #[test]
    fn a_pattern_without_the_method_gives_way() {
        assert_eq!(
            find(Method::DELETE, "/users/1/policies/default"),
            Ok(("/users/{id}/policies/{policyid}", "id=1 policyid=default".to_owned()))
        );
        assert_eq!(find(Method::POST, "/whitelist"), Ok(("/whitelist?action=allow", "action=allow".to_owned())));
        assert_eq!(find(Method::DELETE, "/users"), Err(NoRoute::Method(vec![Method::GET])));
        assert_eq!(find(Method::GET, "/users/1"), Err(NoRoute::Path));
    }
}
