package feeds

import "testing"

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://blog.example.org/feed.xml": true, "http://blog.example.org:80/": true, "https://blog.example.org:443/": true, "https://203.0.114.1/": true,
		"": false, "blog.example.org": false, "ftp://example.org/": false, "file:///etc/passwd": false, "https:///x": false, "https://u:p@example.org/": false,
		"http://example.org:443/": false, "http://example.org:22/": false, "http://127.0.0.1/": false, "http://10.1.2.3/": false, "http://[::1]/": false,
		"http://[::ffff:127.0.0.1]/": false, "http://[64:ff9b::7f00:1]/": false, "http://[64:ff9b::a00:1]/": false, "http://169.254.169.254/": false, "http://[fd00::1]/": false,
		"http://[fe80::1]/": false, "http://0.0.0.0/": false, "http://100.64.0.1/": false, "http://[::]/": false, "http://[2002:7f00:1::]/": false, "http://224.0.0.1/": false,
		"http://a b/": false, "http://example.org/\r\nX: y": false,
	} {
		if err := check(address, false); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
