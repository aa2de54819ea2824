"""The vendor's own clients drive the fake: what they cannot use, Google would not have answered.

Two of them, which nobody of this project wrote: `google-cloud-compute` (typed, protobuf JSON, own polling) and
`google-api-python-client` (built from the same description that the fake is checked against).

    PYTHON -m unittest discover -s tests/support/gcp_fake -p '*_test.py'
"""

import os
import subprocess
import sys
import unittest
import uuid

import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.future.polling import DEFAULT_POLLING
from google.cloud import compute_v1
from google.oauth2 import service_account
from googleapiclient import discovery
from googleapiclient.errors import HttpError

PROJECT, REGION, ZONE = "demo-project", "europe-west4", "europe-west4-a"
POLLING = DEFAULT_POLLING.with_delay(initial=0.01, maximum=0.1).with_timeout(10)
HERE = os.path.dirname(os.path.abspath(__file__))


class VendorClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([sys.executable, HERE], stdout=subprocess.PIPE, text=True)
        cls.base = cls.server.stdout.readline().strip()
        key = cls.control("credentials")
        cls.credentials = service_account.Credentials.from_service_account_info(
            key, scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        cls.server.stdout.close()

    @classmethod
    def control(cls, name, body=None):
        answer = requests.post(f"{cls.base}/_control/{name}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def setUp(self):
        self.control("reset")

    def tearDown(self):
        seen = self.control("calls")["violations"]
        if self._testMethodName != "test_wrong_bodies_are_refused":
            self.assertEqual(seen, [], "what client and fake said to each other is as the description has it")

    def typed(self, client):
        def make(kind):
            return kind(
                credentials=self.credentials, client_options=ClientOptions(api_endpoint=self.base), transport="rest"
            )

        made = make(client)
        # The library polls operations at its own address, whatever it was told; it is told once more.
        made.transport._extended_operations_services.update(
            zone_operations=make(compute_v1.ZoneOperationsClient),
            region_operations=make(compute_v1.RegionOperationsClient),
            global_operations=make(compute_v1.GlobalOperationsClient),
        )
        return made

    def plain(self, name, version):
        root = {"api_endpoint": self.base + {"compute": "/compute/v1/", "storage": "/storage/v1/"}.get(name, "/")}
        return discovery.build(
            name,
            version,
            credentials=self.credentials,
            client_options=root,
            cache_discovery=False,
            static_discovery=True,
        )

    def network(self):
        self.typed(compute_v1.NetworksClient).insert(
            project=PROJECT, network_resource=compute_v1.Network(name="net", auto_create_subnetworks=False)
        ).result(polling=POLLING)
        self.typed(compute_v1.SubnetworksClient).insert(
            project=PROJECT,
            region=REGION,
            subnetwork_resource=compute_v1.Subnetwork(
                name="sub", network="global/networks/net", ip_cidr_range="10.9.0.0/28"
            ),
        ).result(polling=POLLING)

    def instance(self, name, **more):
        disk = compute_v1.AttachedDisk(
            boot=True,
            auto_delete=True,
            initialize_params=compute_v1.AttachedDiskInitializeParams(
                source_image="projects/debian-cloud/global/images/family/debian-12",
                disk_size_gb=20,
                disk_type=f"zones/{ZONE}/diskTypes/pd-balanced",
            ),
        )
        return compute_v1.Instance(
            name=name,
            machine_type=f"zones/{ZONE}/machineTypes/n2-standard-4",
            disks=[disk],
            labels={"env": "demo"},
            network_interfaces=[compute_v1.NetworkInterface(subnetwork=f"regions/{REGION}/subnetworks/sub")],
            **more,
        )

    def test_instance_lives_and_goes(self):
        self.network()
        client = self.typed(compute_v1.InstancesClient)
        operation = client.insert(project=PROJECT, zone=ZONE, instance_resource=self.instance("vm-1"))
        self.assertFalse(operation.done(), "an insert takes time")
        operation.result(polling=POLLING)
        found = client.get(project=PROJECT, zone=ZONE, instance="vm-1")
        self.assertEqual(
            (found.status, found.network_interfaces[0].network_i_p, found.labels["env"]),
            ("RUNNING", "10.9.0.2", "demo"),
        )
        scopes = dict(
            client.aggregated_list(
                request=compute_v1.AggregatedListInstancesRequest(project=PROJECT, filter="labels.env=demo")
            )
        )
        self.assertEqual([one.name for one in scopes[f"zones/{ZONE}"].instances], ["vm-1"])
        self.assertEqual(scopes["zones/us-central1-a"].warning.code, "NO_RESULTS_ON_PAGE")
        disks = self.typed(compute_v1.DisksClient)
        self.assertEqual(
            [(one.name, one.size_gb, one.status) for one in disks.list(project=PROJECT, zone=ZONE)],
            [("vm-1", 20, "READY")],
        )
        client.delete(project=PROJECT, zone=ZONE, instance="vm-1").result(polling=POLLING)
        self.assertEqual(list(client.list(project=PROJECT, zone=ZONE)), [])
        self.assertEqual(list(disks.list(project=PROJECT, zone=ZONE)), [])

    def test_operation_that_fails_at_the_end(self):
        self.network()
        self.control(
            "faults",
            [
                {
                    "method": "compute.instances.insert",
                    "operation_error": {"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "no more"},
                }
            ],
        )
        client = self.typed(compute_v1.InstancesClient)
        operation = client.insert(project=PROJECT, zone=ZONE, instance_resource=self.instance("vm-1"))
        with self.assertRaises(exceptions.ServiceUnavailable):
            operation.result(polling=POLLING)
        self.assertEqual(operation.error_code, 503)
        with self.assertRaises(exceptions.NotFound):
            client.get(project=PROJECT, zone=ZONE, instance="vm-1")
        self.assertEqual(
            list(self.typed(compute_v1.DisksClient).list(project=PROJECT, zone=ZONE)), [], "its disk is gone too"
        )

    def test_request_id_acts_once(self):
        request = compute_v1.InsertNetworkRequest(
            project=PROJECT,
            request_id=str(uuid.uuid4()),
            network_resource=compute_v1.Network(name="net", auto_create_subnetworks=False),
        )
        client = self.typed(compute_v1.NetworksClient)
        first, second = client.insert(request=request), client.insert(request=request)
        self.assertEqual(first.name, second.name)
        first.result(polling=POLLING)
        with self.assertRaises(exceptions.Conflict):
            client.insert(
                project=PROJECT, network_resource=compute_v1.Network(name="net", auto_create_subnetworks=False)
            )

    def test_references_must_exist_and_be_ready_and_in_use_is_refused(self):
        networks, subnets = self.typed(compute_v1.NetworksClient), self.typed(compute_v1.SubnetworksClient)
        wanted = compute_v1.Subnetwork(name="sub", network="global/networks/net", ip_cidr_range="10.9.0.0/28")
        with self.assertRaisesRegex(exceptions.BadRequest, "does not exist"):
            subnets.insert(project=PROJECT, region=REGION, subnetwork_resource=wanted)
        self.control("settings", {"operation_seconds": 0.5})
        made = networks.insert(
            project=PROJECT, network_resource=compute_v1.Network(name="net", auto_create_subnetworks=False)
        )
        with self.assertRaisesRegex(exceptions.BadRequest, "is not ready"):
            subnets.insert(project=PROJECT, region=REGION, subnetwork_resource=wanted)
        self.control("settings", {"operation_seconds": 0.02})
        made.result(polling=POLLING)
        subnets.insert(project=PROJECT, region=REGION, subnetwork_resource=wanted).result(polling=POLLING)
        with self.assertRaisesRegex(exceptions.BadRequest, "already being used"):
            networks.delete(project=PROJECT, network="net")

    def test_labels_need_the_fingerprint(self):
        self.network()
        client = self.typed(compute_v1.InstancesClient)
        client.insert(project=PROJECT, zone=ZONE, instance_resource=self.instance("vm-1")).result(polling=POLLING)
        stale = compute_v1.InstancesSetLabelsRequest(labels={"a": "b"}, label_fingerprint="stale")
        with self.assertRaises(exceptions.PreconditionFailed):
            client.set_labels(project=PROJECT, zone=ZONE, instance="vm-1", instances_set_labels_request_resource=stale)
        print_ = client.get(project=PROJECT, zone=ZONE, instance="vm-1").label_fingerprint
        fresh = compute_v1.InstancesSetLabelsRequest(labels={"a": "b"}, label_fingerprint=print_)
        client.set_labels(
            project=PROJECT, zone=ZONE, instance="vm-1", instances_set_labels_request_resource=fresh
        ).result(polling=POLLING)
        self.assertEqual(dict(client.get(project=PROJECT, zone=ZONE, instance="vm-1").labels), {"a": "b"})

    def test_machine_type_changes_only_when_stopped_and_protection_holds(self):
        self.network()
        client = self.typed(compute_v1.InstancesClient)
        client.insert(
            project=PROJECT, zone=ZONE, instance_resource=self.instance("vm-1", deletion_protection=True)
        ).result(polling=POLLING)
        bigger = compute_v1.InstancesSetMachineTypeRequest(machine_type=f"zones/{ZONE}/machineTypes/n2-standard-8")
        where = {"project": PROJECT, "zone": ZONE, "instance": "vm-1"}
        with self.assertRaises(exceptions.BadRequest):
            client.set_machine_type(**where, instances_set_machine_type_request_resource=bigger)
        client.stop(**where).result(polling=POLLING)
        client.set_machine_type(**where, instances_set_machine_type_request_resource=bigger).result(polling=POLLING)
        client.start(**where).result(polling=POLLING)
        self.assertTrue(client.get(**where).machine_type.endswith("n2-standard-8"))
        with self.assertRaises(exceptions.PreconditionFailed):
            client.delete(**where)

    def test_pages_and_filters(self):
        client = self.typed(compute_v1.NetworksClient)
        for name in ("a", "b", "c"):
            client.insert(
                project=PROJECT, network_resource=compute_v1.Network(name=name, auto_create_subnetworks=False)
            ).result(polling=POLLING)
        pages = list(client.list(request=compute_v1.ListNetworksRequest(project=PROJECT, max_results=2)).pages)
        self.assertEqual([[one.name for one in page.items] for page in pages], [["a", "b"], ["c"]])
        for text, names in (
            ("name=b", ["b"]),
            ("name eq 'a|c'", ["a", "c"]),
            ("(name!=a) AND (name!=b)", ["c"]),
            ("name=a OR name=c", ["a", "c"]),
        ):
            found = client.list(request=compute_v1.ListNetworksRequest(project=PROJECT, filter=text))
            self.assertEqual([one.name for one in found], names, text)
        with self.assertRaises(exceptions.BadRequest):
            list(client.list(request=compute_v1.ListNetworksRequest(project=PROJECT, filter="name >> b")))

    def test_balancer(self):
        self.network()
        self.typed(compute_v1.InstancesClient).insert(
            project=PROJECT, zone=ZONE, instance_resource=self.instance("vm-1")
        ).result(polling=POLLING)
        compute = self.plain("compute", "v1")

        def act(request):
            operation = request.execute()
            where = {"project": PROJECT, "operation": operation["name"]}
            if "zone" in operation:
                where["zone"] = ZONE
                api = compute.zoneOperations()
            else:
                where["region"] = REGION
                api = compute.regionOperations()
            for _ in range(50):
                found = api.wait(**where).execute()
                if found["status"] == "DONE":
                    return self.assertNotIn("error", found)
            return self.fail("never done")

        group = {"project": PROJECT, "zone": ZONE}
        act(compute.instanceGroups().insert(**group, body={"name": "group"}))
        act(
            compute.instanceGroups().addInstances(
                **group, instanceGroup="group", body={"instances": [{"instance": f"zones/{ZONE}/instances/vm-1"}]}
            )
        )
        act(
            compute.regionHealthChecks().insert(
                project=PROJECT, region=REGION, body={"name": "check", "type": "TCP", "tcpHealthCheck": {"port": 443}}
            )
        )
        service = {
            "name": "service",
            "loadBalancingScheme": "INTERNAL",
            "protocol": "TCP",
            "healthChecks": [f"regions/{REGION}/healthChecks/check"],
            "backends": [{"group": f"zones/{ZONE}/instanceGroups/group", "balancingMode": "CONNECTION"}],
        }
        act(compute.regionBackendServices().insert(project=PROJECT, region=REGION, body=service))
        rule = {
            "name": "rule",
            "loadBalancingScheme": "INTERNAL",
            "backendService": f"regions/{REGION}/backendServices/service",
            "subnetwork": f"regions/{REGION}/subnetworks/sub",
            "ports": ["443"],
        }
        act(compute.forwardingRules().insert(project=PROJECT, region=REGION, body=rule))
        health = (
            compute.regionBackendServices()
            .getHealth(
                project=PROJECT,
                region=REGION,
                backendService="service",
                body={"group": f"zones/{ZONE}/instanceGroups/group"},
            )
            .execute()
        )
        self.assertEqual(health["healthStatus"][0]["healthState"], "HEALTHY")
        with self.assertRaises(HttpError) as refused:
            compute.regionHealthChecks().delete(project=PROJECT, region=REGION, healthCheck="check").execute()
        self.assertEqual(refused.exception.error_details[0]["reason"], "resourceInUseByAnotherResource")

    def test_wrong_bodies_are_refused(self):
        compute = self.plain("compute", "v1")
        for body, word in (
            ({"name": "net", "autoCreateSubnetworks": False, "colour": "red"}, "unknown field"),
            ({"name": "Net", "autoCreateSubnetworks": False}, "does not match"),
            ({"name": "net", "autoCreateSubnetworks": "no"}, "not a boolean"),
            ({"name": "net"}, "autoCreateSubnetworks"),
        ):
            with self.assertRaises(HttpError) as refused:
                compute.networks().insert(project=PROJECT, body=body).execute()
            self.assertEqual(refused.exception.status_code, 400)
            self.assertIn(word, str(refused.exception))

    def test_accounts_buckets_services(self):
        iam, storage = self.plain("iam", "v1"), self.plain("storage", "v1")
        accounts = iam.projects().serviceAccounts()
        made = accounts.create(
            name=f"projects/{PROJECT}", body={"accountId": "demo-app", "serviceAccount": {"description": "x"}}
        ).execute()
        storage.buckets().insert(
            project=PROJECT,
            body={
                "name": "demo-artifacts",
                "iamConfiguration": {
                    "uniformBucketLevelAccess": {"enabled": True},
                    "publicAccessPrevention": "enforced",
                },
            },
        ).execute()
        policy = storage.buckets().getIamPolicy(bucket="demo-artifacts").execute()
        policy["bindings"].append({"role": "roles/storage.objectUser", "members": [f"serviceAccount:{made['email']}"]})
        storage.buckets().setIamPolicy(bucket="demo-artifacts", body=policy).execute()
        with self.assertRaises(HttpError) as refused:
            storage.buckets().setIamPolicy(bucket="demo-artifacts", body=policy).execute()
        self.assertEqual(refused.exception.status_code, 412, "the etag is the old one")
        self.control("objects", {"bucket": "demo-artifacts", "name": "a/b"})
        with self.assertRaises(HttpError) as refused:
            storage.buckets().delete(bucket="demo-artifacts").execute()
        self.assertEqual(refused.exception.status_code, 409)
        storage.objects().delete(bucket="demo-artifacts", object="a/b").execute()
        storage.buckets().delete(bucket="demo-artifacts").execute()
        accounts.delete(name=made["name"]).execute()
        self.assertEqual(accounts.list(name=f"projects/{PROJECT}").execute(), {})
        usage = (
            self.plain("serviceusage", "v1")
            .services()
            .get(name=f"projects/{PROJECT}/services/compute.googleapis.com")
            .execute()
        )
        self.assertEqual(usage["state"], "ENABLED")

    def test_projects_are_apart_and_strangers_refused(self):
        self.control("settings", {"projects": [PROJECT, "other-project"]})
        self.network()
        client = self.typed(compute_v1.NetworksClient)
        self.assertEqual(list(client.list(project="other-project")), [])
        with self.assertRaises(exceptions.NotFound):
            list(client.list(project="no-such-project"))
        self.assertEqual(
            requests.get(f"{self.base}/compute/v1/projects/{PROJECT}/global/networks", timeout=10).status_code, 401
        )


if __name__ == "__main__":
    unittest.main()
