mod directory;

pub(crate) use self::directory::DataDirectory;
