# task: make a throw-away key for the tests
# needs: ssh-keygen openssl

mkdir -p tests/fixtures
ssh-keygen -q -t ed25519 -N '' -C test@example.com -f tests/fixtures/test_key
ssh-keygen -l -f tests/fixtures/test_key.pub
ssh-keygen -y -f tests/fixtures/test_key > derived.pub
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout tests/fixtures/key.pem -out tests/fixtures/cert.pem 2> /dev/null
openssl x509 -in tests/fixtures/cert.pem -noout -subject -enddate
openssl rand -hex 16
openssl dgst -sha256 derived.pub
echo hello | openssl enc -base64
rm -rf tests/fixtures
