//! Namespaces.

/// Of SCXML, in all its versions.
pub const SCXML_NAMESPACE: &str = "http://www.w3.org/2005/07/scxml";

/// Of XInclude.
pub const INCLUDE_NAMESPACE: &str = "http://www.w3.org/2001/XInclude";

/// Of what merging adds to a document: `my-prefix`, the prefix that states were included with.
pub const MERGE_NAMESPACE: &str = "urn:jackfield:scxml:merge";
