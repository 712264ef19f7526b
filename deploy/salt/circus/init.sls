# A host with circusd, whose file Salt writes: an example. The packages and the unit are those of deploy/README.md.
/etc/circus/circus.ini:
  file.managed:
    - source: salt://circus/circus.ini
    - mode: "0640"
    - check_cmd: circusd --check

circusd:
  service.running:
    - enable: true
    - require:
      - file: /etc/circus/circus.ini

configuration of circusd:
  circus_cluster.configured:
    - name: /etc/circus/circus.ini
    - require:
      - service: circusd
    - onchanges:
      - file: /etc/circus/circus.ini

web:
  circus_cluster.running:
    - reload: true
    - require:
      - circus_cluster: configuration of circusd
    - watch:
      - file: /srv/web/app.py
