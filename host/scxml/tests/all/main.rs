//! Documents as files hold them.

mod w3c;
mod w3c_folder;
