//! Conversions of values that are kept as a text.

/// Implements the conversions of a value that [`FromStr`](std::str::FromStr) checks and `as_str` returns as it was
/// given: `TryFrom<&str>`, `TryFrom<String>`, `AsRef<str>` and `Display`.
macro_rules! impl_text_conversions {
    ($name:ident, $error:ident) => {
        impl TryFrom<&str> for $name {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use impl_text_conversions;
