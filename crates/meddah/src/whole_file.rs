//! Small files that are either whole or unchanged, whatever happens meanwhile.

use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file for others to read. A link in its place is replaced, not followed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = temporary().tempfile_in(folder)?;
    file.write_all(bytes)?;
    // Without it, a power cut could leave the new name on an empty file.
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// For files that others may read as far as the system lets them: a server may run as another user than the
/// one who installs its models.
pub fn temporary<'n>() -> tempfile::Builder<'n, 'n> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}
