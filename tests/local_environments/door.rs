//! What users do at an environment's door, from one of its nodes: write all the while, make projects, push and clone.

use super::place::{Place, Ran};

/// The way in, and the node that goes it.
#[derive(Clone, Copy)]
pub struct Door {
    pub domain: &'static str,
    /// Node that users come to.
    pub balancer: &'static str,
    /// Node that they sit on.
    pub client: &'static str,
}

/// A writer that asks through the balancer all the while, trusting what its node trusts, and remembers every answer.
const WRITER: &str = r#"
rm -f /tmp/stop /tmp/writer.log
cat >/tmp/writer.sh <<'END'
while [ ! -e /tmp/stop ]; do
    id=$(cat /proc/sys/kernel/random/uuid)
    code=$(curl -s -m 20 --cacert /etc/refarch/ca.crt --resolve DOMAIN:443:BALANCER -H @/tmp/token -o /dev/null \
        -w '%{http_code}' -X POST -H 'Content-Type: application/json' --data "{\"id\": \"$id\", \"value\": \"w\"}" \
        https://DOMAIN/api/writes) || code="$code curl $?"
    echo "$code $id $(date +%s.%N)" >>/tmp/writer.log
    sleep 0.05
done
END
systemd-run -q --unit=writer --collect sh /tmp/writer.sh
until [ -s /tmp/writer.log ]; do sleep 0.1; done
"#;

/// Makes projects until enough are on one storage, each with a commit; then pushes to every one and clones it, in turn, all
/// the while. After each round a new project is made. Lines: `pushed NAME COMMIT`, `refused NAME WHY`, `cloned NAME`,
/// `made NAME STORAGE`, `lost NAME WHY`.
const PUSHER: &str = r#"
rm -rf /tmp/pushed /tmp/pushes.log /tmp/stop-pushing
mkdir /tmp/pushed
count=0
while [ "$count" -lt ENOUGH ]; do
    name=pushed-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    ask -X POST --data "{\"name\": \"$name\"}" https://DOMAIN/api/projects | grep -q '"storage": "STORAGE"' || continue
    count=$((count + 1))
    git init -q "/tmp/pushed/$name"
done
cat >/tmp/pusher.sh <<'END'
way() { timeout 60 git -c http.sslCAInfo=/etc/refarch/ca.crt -c http.curloptResolve=DOMAIN:443:BALANCER "$@"; }
ask() {
    curl -fsm 30 --cacert /etc/refarch/ca.crt --resolve DOMAIN:443:BALANCER -H @/tmp/token -H 'Content-Type: application/json' "$@"
}
make() {
    name=made-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    ask -X POST --data "{\"name\": \"$name\"}" -o /dev/null https://DOMAIN/api/projects || { echo "lost $name it was not made"; return; }
    for _ in $(seq 100); do
        answer=$(ask "https://DOMAIN/api/projects/$name")
        case $answer in *'"ready"'*) echo "made $name $answer"; return ;; esac
        sleep 0.2
    done
    echo "lost $name never ready: $answer"
}
round() {
    for name in $(ls /tmp/pushed); do
        url=https://root:TOKEN@DOMAIN/$name.git
        git -C "/tmp/pushed/$name" -c user.name=a -c user.email=a@b commit -q --allow-empty -m "$name $(date +%s.%N)"
        commit=$(git -C "/tmp/pushed/$name" rev-parse HEAD)
        if why=$(way -C "/tmp/pushed/$name" push -q "$url" HEAD:main 2>&1); then
            echo "pushed $name $commit"
            echo "$commit" >"/tmp/pushed/$name/.git/acknowledged"
        else
            echo "refused $name" $why
        fi
        look "$name"
    done
    make
}
look() {
    rm -rf /tmp/cloned
    if ! why=$(way clone -q "https://root:TOKEN@DOMAIN/$1.git" /tmp/cloned 2>&1); then
        echo "lost $1" $why
    elif [ -e "/tmp/pushed/$1/.git/acknowledged" ] &&
        ! git -C /tmp/cloned merge-base --is-ancestor "$(cat "/tmp/pushed/$1/.git/acknowledged")" HEAD; then
        echo "lost $1 what was acknowledged is not in it"
    else
        echo "cloned $1"
    fi
}
while [ ! -e /tmp/stop-pushing ]; do round; done
echo last round
round
END
systemd-run -q --unit=pusher --collect sh -c 'exec sh /tmp/pusher.sh >/tmp/pushes.log'
until [ "$(grep -c ^pushed /tmp/pushes.log)" -ge ENOUGH ]; do sleep 0.1; done
"#;

pub fn secret(place: &Place, name: &str) -> String {
    place.refarch(&["secrets", "show", name]).expect(0).text().to_owned()
}

impl Door {
    fn address(&self, place: &Place) -> String {
        place.on(self.client, &format!("getent hosts {} | cut -d ' ' -f 1", self.balancer)).expect(0).last_word()
    }

    /// Shell text before what asks at the door: where it is, and the login.
    fn prelude(&self, place: &Place) -> String {
        let Self { domain, .. } = self;
        let (address, token) = (self.address(place), secret(place, "root_token"));
        format!(
            "set -e\n(umask 077; printf 'Authorization: Bearer %s\\n' {token} >/tmp/token)\n\
             ask() {{ curl -fs --cacert /etc/refarch/ca.crt --resolve {domain}:443:{address} -H @/tmp/token -H 'Content-Type: application/json' \"$@\"; }}\n\
             way() {{ git -c http.sslCAInfo=/etc/refarch/ca.crt -c http.curloptResolve={domain}:443:{address} \"$@\"; }}\n\
             cd /tmp\n"
        )
    }

    /// Makes a project with a commit.
    pub fn push(&self, place: &Place, name: &str) {
        let Self { domain, .. } = self;
        let token = secret(place, "root_token");
        let script = format!(
            "{}rm -rf {name}\nask -X POST --data '{{\"name\": \"{name}\"}}' https://{domain}/api/projects >/dev/null\n\
             until ask https://{domain}/api/projects/{name} | grep -q ready; do sleep 0.2; done\n\
             git init -q {name} && cd {name} && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m '{name}'\n\
             way push -q https://root:{token}@{domain}/{name}.git HEAD:main\n",
            self.prelude(place)
        );
        place.on(self.client, &script).expect(0);
    }

    /// Clones a project; its only commit is the one that [`Door::push`] made.
    pub fn clone(&self, place: &Place, name: &str) {
        let Self { domain, .. } = self;
        let token = secret(place, "root_token");
        let script = format!(
            "{}rm -rf {name}\nway clone -q https://root:{token}@{domain}/{name}.git\n\
             git -C {name} log --format=%s | grep -qx '{name}'\n",
            self.prelude(place)
        );
        place.on(self.client, &script).expect(0);
    }

    /// Begins to push to so many projects of a storage.
    pub fn pusher<'a>(&self, place: &'a Place, storage: &str, projects: usize) -> Pusher<'a> {
        let script = PUSHER
            .replace("BALANCER", &self.address(place))
            .replace("DOMAIN", self.domain)
            .replace("TOKEN", &secret(place, "root_token"))
            .replace("STORAGE", storage)
            .replace("ENOUGH", &projects.to_string());
        place.on(self.client, &format!("{}{script}", self.prelude(place))).expect(0);
        Pusher { place, node: self.client }
    }

    /// Begins to write.
    pub fn writer<'a>(&self, place: &'a Place) -> Writer<'a> {
        let script = WRITER.replace("BALANCER", &self.address(place)).replace("DOMAIN", self.domain);
        place.on(self.client, &format!("{}{script}", self.prelude(place))).expect(0);
        Writer { place, node: self.client }
    }
}

/// Users who push and clone.
pub struct Pusher<'a> {
    place: &'a Place,
    node: &'static str,
}

impl Pusher<'_> {
    /// Has every project pushed to and cloned once more, and ends. What was told of each push and clone.
    pub fn stop(self) -> Vec<String> {
        ended(self.place, self.node, "pusher", "/tmp/stop-pushing", "/tmp/pushes.log")
    }
}

/// Tells a unit to stop, waits until it has, and returns what it wrote down.
fn ended(place: &Place, node: &str, unit: &str, stop: &str, log: &str) -> Vec<String> {
    let line = format!("touch {stop}; while systemctl is-active -q {unit}; do sleep 0.1; done; cat {log}");
    let ran = place.on(node, &line).expect(0);
    ran.stdout.lines().map(|line| line.rsplit(" | ").next().unwrap().to_owned()).collect()
}

pub struct Writer<'a> {
    place: &'a Place,
    node: &'static str,
}

pub struct Written {
    /// Acknowledged: identity, and when the answer came.
    pub good: Vec<(String, f64)>,
    pub bad: Vec<String>,
}

impl Writer<'_> {
    /// Waits until it had so many answers more.
    pub fn writes(&self, number: usize) {
        let line = format!(
            "n=$(wc -l </tmp/writer.log); until [ $(wc -l </tmp/writer.log) -ge $((n + {number})) ]; do sleep 0.1; done"
        );
        self.place.on(self.node, &line).expect(0);
    }

    pub fn stop(self) -> Written {
        let mut written = Written { good: Vec::new(), bad: Vec::new() };
        for line in ended(self.place, self.node, "writer", "/tmp/stop", "/tmp/writer.log") {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["201", id, at] => written.good.push(((*id).to_owned(), at.parse().unwrap())),
                _ => written.bad.push(line),
            }
        }
        written
    }
}

impl Written {
    #[track_caller]
    pub fn all_good(&self) {
        eprintln!("{} writes while secrets were rotated, {} failed", self.good.len(), self.bad.len());
        assert!(self.bad.is_empty(), "{} of {} failed: {:?}", self.bad.len(), self.good.len(), self.bad);
        assert!(self.good.len() > 50, "{}", self.good.len());
    }
}

impl Ran {
    /// The last word of standard output.
    pub fn last_word(&self) -> String {
        self.stdout.split_whitespace().last().unwrap().to_owned()
    }
}
