package vfs

type faultFile struct {
	File
	fault *Fault
}

func (f *faultFile) check(op Op) error {
	_, err := f.fault.check(op, f.Name())
	return err
}

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.check(OpRead); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check(OpRead); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) Write(p []byte) (int, error) {
	if short, err := f.fault.check(OpWrite, f.Name()); err != nil {
		n, _ := f.File.Write(p[:min(short, len(p))])
		return n, err
	}
	return f.File.Write(p)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	if short, err := f.fault.check(OpWrite, f.Name()); err != nil {
		n, _ := f.File.WriteAt(p[:min(short, len(p))], off)
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultFile) Sync() error {
	if err := f.check(OpSync); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) Datasync() error {
	if err := f.check(OpSync); err != nil {
		return err
	}
	return f.File.Datasync()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.check(OpTruncate); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Preallocate(size int64) error {
	if err := f.check(OpPreallocate); err != nil {
		return err
	}
	return f.File.Preallocate(size)
}

func (f *faultFile) TryLock() error {
	if err := f.check(OpLock); err != nil {
		return err
	}
	return f.File.TryLock()
}

// Close always closes the file below, since a leaked descriptor would hold its lock.
func (f *faultFile) Close() error {
	err := f.check(OpClose)
	if closeErr := f.File.Close(); err == nil {
		err = closeErr
	}
	return err
}
