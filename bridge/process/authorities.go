package process

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Authorities returns the system's certificate authorities and those in the PEM
// file, if its path is not "".
func Authorities(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	if file == "" {
		return pool, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read certificate authorities: " + file + " holds no certificate in PEM form")
	}
	return pool, nil
}
