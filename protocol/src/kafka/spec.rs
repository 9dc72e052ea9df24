//! What a definition says of one field, and the form that a version gives a message.

use super::field::Field;

/// How a message is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The version, which says what fields there are.
    pub version: i16,
    /// Whether lengths are compact and tagged fields may follow.
    pub flexible: bool,
}

/// The part of a struct that is read or written: its fields one after the other, or, behind them in
/// flexible versions, the tagged ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The fields without a tag.
    Body,
    /// The field of that tag, when reading.
    Tag(u32),
    /// The fields with a tag, when writing.
    Tags,
}

/// A field of a definition: its name, and the versions that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The struct that the field is in.
    pub owner: &'static str,
    /// The field.
    pub name: &'static str,
    since: i16,
    until: i16,
    nullable_since: i16,
    tag: Option<u32>,
    ignorable: bool,
}

impl Spec {
    /// A field that is there from version `since` on.
    pub(super) const fn new(owner: &'static str, name: &'static str, since: i16) -> Spec {
        Spec { owner, name, since, until: i16::MAX, nullable_since: 0, tag: None, ignorable: false }
    }

    /// `0-8`: the last version that has the field.
    pub(super) const fn until(self, version: i16) -> Spec {
        Spec { until: version, ..self }
    }

    /// `nullable 1+`: for an `Option` that may be null in later versions only.
    pub(super) const fn nullable(self, since: i16) -> Spec {
        Spec { nullable_since: since, ..self }
    }

    /// `tag 0`: the field is a tagged one.
    pub(super) const fn tag(self, tag: u32) -> Spec {
        Spec { tag: Some(tag), ..self }
    }

    /// `ignorable`: its value may be lost in a version that lacks the field.
    pub(super) const fn ignorable(self) -> Spec {
        Spec { ignorable: true, ..self }
    }

    /// Whether `version` has the field.
    #[inline]
    pub(super) const fn is_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }

    /// Whether `version` has the field in that part of its struct.
    #[inline]
    pub(super) const fn is_in_part(&self, part: Part, version: i16) -> bool {
        let fits = match (part, self.tag) {
            (Part::Body, None) | (Part::Tags, Some(_)) => true,
            (Part::Tag(asked), Some(tag)) => asked == tag,
            _ => false,
        };
        fits && self.is_in(version)
    }

    /// Bytes that the field takes at least; none where it is tagged or lacking.
    pub(super) fn min_len<'a, T: Field<'a>>(&self, form: Form) -> usize {
        if self.is_in_part(Part::Body, form.version) { T::min_len(form) } else { 0 }
    }

    /// The field's tag, if it has one.
    #[inline]
    pub(super) const fn tag_number(&self) -> Option<u32> {
        self.tag
    }

    /// Whether null can be said in `version`, for a field that is an `Option`.
    #[inline]
    pub(super) const fn is_nullable(&self, version: i16) -> bool {
        self.nullable_since <= version
    }

    /// Whether its value may be lost.
    #[inline]
    pub(super) const fn is_ignorable(&self) -> bool {
        self.ignorable
    }
}
