package graphsim_test
import ("testing";"testing/synctest";"fmt";"strings";"meetbridge/bridge/graph/graphsim")
func TestSeedSearch(t *testing.T){ synctest.Test(t, func(t *testing.T){
 for seed:=uint64(1); seed<12; seed++ {
  cfg:=config(&receiver{}); cfg.Seed=seed; cfg.Tenants,cfg.MeetingsPerTenant=1,8
  s:=play(t,cfg,graphsim.Limit{Items:3000})
  for _,e:=range s.Ledger(){ p:=string(e.Payload); if i:=strings.Index(p,"activeParticipants@exited"); i>0 && strings.Contains(p[i:],"AzureCommunicationServicesResourceId"){ fmt.Println("seed",seed,e.Seq); break } }
 }})}
